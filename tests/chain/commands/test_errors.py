"""What the command line says to wrong input: a clear error, the right exit code, and nothing written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.warm import warm_python

pytestmark = pytest.mark.integration


def penstock(*arguments: object, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | environ
    command = [warm_python(), "-m", "chain", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=60, check=False)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "daily.toml"
    path.write_text(f"""\
name = "daily_revenue"
[source]
url = "sqlite:///{tmp_path}/shop.db"
table = "purchases"
key = "user_id"
time = "purchased_at"
columns = ["amount"]
timezone = "Pacific/Apia"
[staging]
url = "{(tmp_path / "staging").as_uri()}"
[target]
url = "sqlite:///{tmp_path}/shop.db"
table = "revenue"
""")
    return path


def nothing_else_than(config: Path) -> bool:
    return list(config.parent.iterdir()) == [config]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu"], "No such command 'rnu'. Did you mean 'run'?"),
        (["run", "--confg", "x"], "No such option '--confg'. (Did you mean one of: '--config'"),
        (["run", "--day", "2026-10-25"], "Missing option '--config'"),
        (["run", "--config", "x"], "Missing option '--day'"),
        (["verify", "--config", "x", "--fresh-export"], "No such option '--fresh-export'"),
        (["demo-shop", "--url", "x", "--users", "0"], "'--users'"),
        (["demo-shop", "--url", "x", "--users", "many"], "'many' is not a valid integer"),
    ],
)
def test_a_wrong_command_line_is_usage_and_proposes_the_nearest(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    ended = penstock(*arguments, cwd=tmp_path)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("command", "day", "said"),
    [
        ("run", "2026-02-30", "'2026-02-30' is not a day."),
        ("run", "", "'' is not a day."),
        ("reprocess", "20261025", "Write it as 2026-10-25"),
        ("verify", "tomorrow", "Write it as YYYY-MM-DD"),
    ],
)
def test_what_is_no_day_is_refused_before_anything_is_opened(command: str, day: str, said: str, config: Path) -> None:
    ended = penstock(command, "--config", config, "--day", day, cwd=config.parent)
    assert ended.returncode == 10, ended.stderr
    assert said in ended.stderr
    assert nothing_else_than(config)


def test_a_day_that_has_not_begun_or_never_was_is_refused(config: Path) -> None:
    future = penstock("run", "--config", config, "--day", "2999-01-01", cwd=config.parent)
    assert future.returncode == 10
    assert "2999-01-01 is in the future." in future.stderr
    never = penstock("run", "--config", config, "--day", "2011-12-30", cwd=config.parent)
    assert never.returncode == 10
    assert "2011-12-30 does not exist in Pacific/Apia" in never.stderr
    assert nothing_else_than(config)


@pytest.mark.parametrize("command", ["init", "run", "reprocess", "verify"])
def test_faults_of_file_variables_and_flags_come_in_one_error_and_nothing_is_written(
    command: str, config: Path
) -> None:
    config.write_text(config.read_text() + "[export]\nshards = 0\n[proces]\ntasks = 3\n")
    day = [] if command == "init" else ["--day", "2026-10-25"]
    ended = penstock(
        command, "--config", config, *day, "--set", "load.x=1", cwd=config.parent, PENSTOCK_SOURCE__URLL="pw"
    )
    assert ended.returncode == 10
    assert "have 4 faults" in ended.stderr
    for said in ("line 15, export.shards", "did you mean [process]?", "PENSTOCK_SOURCE__URL?", "--set load.x"):
        assert said in ended.stderr
    assert ended.stdout == ""
    assert nothing_else_than(config)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    ended = penstock("run", "--config", "none.toml", "--day", "2026-10-25", cwd=tmp_path)
    assert ended.returncode == 10
    assert ended.stderr.startswith("error: There is no pipeline file none.toml.\n  why: ")


def test_reprocess_without_an_export_says_what_to_do_and_starts_nothing(config: Path) -> None:
    ended = penstock("reprocess", "--config", config, "--day", "2026-10-25", "--json", cwd=config.parent)
    assert ended.returncode == 10
    assert "There is no export of 2026-10-25 to reprocess." in ended.stderr
    assert "penstock run --config" in ended.stderr
    assert json.loads(ended.stdout)["error"]["exit_code"] == 10
    # Who looked held the day while looking; there is no run, and no export.
    assert {path.name for path in (config.parent / "staging").iterdir()} == {"heads", ".penstock"}


def test_help_shows_every_command_and_exit_code_without_heavy_imports(tmp_path: Path) -> None:
    ended = penstock("--help", cwd=tmp_path)
    assert ended.returncode == 0
    for word in ("init", "run", "reprocess", "verify", "demo-shop", "demo", "40  integrity"):
        assert word in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) <= 80
    heavy = "{'polars', 'sqlalchemy', 'rich', 'pydantic', 'google'}"
    probe = f"import sys, chain.cli; print(sorted({heavy} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"


def test_the_demo_shop_refuses_tables_that_are_there_and_urls_it_cannot_fill(tmp_path: Path) -> None:
    small = ("--users", "20", "--purchases", "300")
    first = penstock("demo-shop", "--url", f"sqlite:///{tmp_path}/shop.db", *small, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "20 users and 300 purchases on 10 days" in first.stdout
    again = penstock("demo-shop", "--url", f"sqlite:///{tmp_path}/shop.db", *small, cwd=tmp_path)
    assert again.returncode == 10
    assert "--replace" in again.stderr
    replaced = penstock("demo-shop", "--url", f"sqlite:///{tmp_path}/shop.db", *small, "--replace", cwd=tmp_path)
    assert replaced.returncode == 0
    for url in ("nonsense", "oracle://u:s3cret@h/d", "sqlite://"):
        wrong = penstock("demo-shop", "--url", url, cwd=tmp_path)
        assert wrong.returncode == 10
        assert "names no database that the demo shop can fill" in wrong.stderr
        assert "s3cret" not in wrong.stderr
    away = penstock("demo-shop", "--url", "postgresql://u:s3cret@127.0.0.1:1/d", cwd=tmp_path)
    assert away.returncode == 20
    assert "s3cret" not in away.stderr


def test_json_of_a_failure_is_an_object_of_the_error(config: Path) -> None:
    ended = penstock("run", "--config", config, "--day", "2026-10-25", "--json", "--logs", "logs", cwd=config.parent)
    assert ended.returncode in (10, 20), ended.stderr
    assert "log: " in ended.stderr
    error = json.loads(ended.stdout)["error"]
    assert error["exit_code"] == ended.returncode
    assert error["what"] in ended.stderr
