"""The processor's command as Cloud Run starts it: exit codes, what it needs, and what it never touches."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processor.runs import Runs
from tests.shop.hand_made_export import HandMade, expected_revenue, purchases, put_in_folder

pytestmark = pytest.mark.integration

ROWS = purchases(500, users=60)
DATABASES = ("sqlalchemy", "psycopg", "pymysql", "adbc_driver_manager", "adbc_driver_postgresql", "adbc_driver_sqlite")
# Refuses to import a database package, runs the command's body, and says what was imported.
PROBE = """
import sys, atexit, os
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ImportError(f"a processor must not import {name}")
sys.meta_path.insert(0, Refuse())
import staging.process.entry
def leave(code):
    print(*sorted({name.partition(".")[0] for name in sys.modules}))
    sys.stdout.flush()
    os._exit(code)
staging.process.entry.exit_now = leave
from processor.__main__ import main
main(sys.argv[1:])
"""


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    runs = Runs((tmp_path / "staging").as_uri(), tmp_path)
    HandMade(put_in_folder(runs.stored()), ROWS, shards=2).commit()
    return runs


def test_no_database_package_is_imported_and_none_for_buckets_that_are_folders(runs: Runs) -> None:
    probe = f"REFUSED = {(*DATABASES, 'google')!r}\n{PROBE}"
    task = {"CLOUD_RUN_TASK_INDEX": "0", "CLOUD_RUN_TASK_COUNT": "1", "CLOUD_RUN_TASK_ATTEMPT": "0"}
    arguments = ["--config", str(runs.config()), "--day", "2026-11-14", "--run-id", "run-0001"]
    done = subprocess.run(
        [sys.executable, "-c", probe, *arguments],
        env={**os.environ, **task},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    imported = done.stdout.split()
    assert "polars" in imported
    assert not {*DATABASES, "pyarrow", "pandas", "numpy", "google"} & set(imported)
    assert runs.revenue() == expected_revenue(ROWS)


def test_what_a_killed_process_of_the_same_number_left_is_neither_met_nor_removed(runs: Runs, tmp_path: Path) -> None:
    scratch = tmp_path / "temporary"
    scratch.mkdir()
    # The shell's number is the command's, that takes its place.
    leave = 'mkdir "$TMPDIR/penstock-processor-$$" && echo "penstock-processor-$$" && exec "$@"'
    task = {"CLOUD_RUN_TASK_INDEX": "0", "CLOUD_RUN_TASK_COUNT": "1", "CLOUD_RUN_TASK_ATTEMPT": "0"}
    arguments = ["--config", str(runs.config()), "--day", "2026-11-14", "--run-id", "run-0001"]
    done = subprocess.run(
        ["sh", "-c", leave, "sh", sys.executable, "-m", "processor", *arguments],
        env={**os.environ, **task, "TMPDIR": str(scratch)},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in scratch.iterdir()] == [done.stdout.strip()]
    assert runs.revenue() == expected_revenue(ROWS)


@pytest.mark.parametrize(
    ("index", "count", "attempt"), [(None, 1, 0), (1, 1, 0), ("one", 1, 0), (0, None, 0), (0, 0, 0), (0, 1, 99)]
)
def test_a_wrong_task_environment_is_exit_10(runs: Runs, index: object, count: object, attempt: object) -> None:
    ended = runs.run_command(index, count, attempt)
    assert ended.code == 10
    assert ended.told.startswith("error: The task environment is wrong: CLOUD_RUN_TASK_")
    assert runs.written() == {}


def test_a_wrong_command_line_is_exit_2(runs: Runs) -> None:
    assert runs.run_command(arguments=("--no-such-option",)).code == 2


def test_a_missing_file_is_exit_10(runs: Runs) -> None:
    ended = runs.run_command(arguments=("--config", str(runs.folder / "absent.toml")))
    assert ended.code == 10
    assert "absent.toml" in ended.told


def test_settings_come_from_flags_and_the_environment_too(runs: Runs) -> None:
    url, runs.url = runs.url, "file:///nowhere/at/all"
    ended = runs.run_command(
        environ={"PENSTOCK_STAGING__URL": "file:///nowhere/else"}, arguments=("--set", f"staging.url={url}")
    )
    assert ended.code == 0, ended
    runs.url = url
    assert runs.revenue() == expected_revenue(ROWS)


def test_progress_is_told_to_whoever_asks_for_it(runs: Runs) -> None:
    ended = runs.run_command(environ={"PENSTOCK_PROGRESS": "1"})
    lines = [line for line in ended.told.splitlines() if line.startswith('{"penstock_progress"')]
    assert '"rows": 500, ' in lines[-1]
    assert '"expected_rows": 500' in lines[-1]
    assert ended.out == ""


def test_a_users_password_in_the_pipeline_file_is_never_told(runs: Runs) -> None:
    secret = "p@ss:/%word"
    text = runs.config().read_text()
    bad = text.replace("env:PENSTOCK_TEST_SOURCE_THAT_IS_NOT_SET", f"postgresql+psycopg://me:{secret}@127.0.0.1:1/shop")
    path = runs.folder / "with-secret.toml"
    for change in ("", "\nnot toml", "\n[process.more]"):
        path.write_text(bad + change)
        ended = runs.run_command(arguments=("--config", str(path)))
        assert ended.code == (10 if change else 0)
        assert not any(part in ended.told + ended.out for part in (secret, "p@ss", "%word"))
        assert all(secret.encode() not in data for data in runs.written().values())
