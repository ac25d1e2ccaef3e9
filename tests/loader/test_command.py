"""The loader as the process that Cloud Run starts: exit codes, what it prints, signals, secrets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.loader.runs import Make, loader_runs, revenue
from tests.loader.target_fixtures import LoaderTarget, expected, finish, start_loader
from tests.servers.server import PASSWORD
from tests.warm import warm_python

pytestmark = pytest.mark.integration


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return loader_runs(tmp_path)


def test_a_load_and_its_repetition_end_with_0_and_one_json_object(target: LoaderTarget, make: Make) -> None:
    target.init(run := make(revenue(range(20))))
    code, out, err = finish(start_loader(target, run))
    assert code == 0, err
    assert {name: json.loads(out)[name] for name in ("run_id", "rows", "inserted")} == {
        "run_id": "run-0001",
        "rows": 20,
        "inserted": 20,
    }
    code, out, err = finish(start_loader(target, run))
    assert (code, json.loads(out)["inserted"]) == (0, 0)
    assert "already: 20 rows, nothing written" in err
    assert target.rows() == expected(run)


def test_it_proves_by_its_exit_code_that_the_target_has_what_runs_have_loaded(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(run := make(revenue(range(20))))
    target.load(run)
    asked = ("--still-loaded", f"{run.day}={run.run_id}")
    code, out, err = finish(start_loader(target, run, *asked, loads=False))
    assert (code, out) == (0, ""), err
    target.execute("UPDATE revenue SET purchases = purchases + 1 WHERE user_id = 7")
    code, out, err = finish(start_loader(target, run, *asked, loads=False))
    assert (code, out) == (10, "")
    assert f"{run.day} is not as the run {run.run_id} has loaded it." in err
    assert finish(start_loader(target, run, loads=False))[0] == 2


def test_a_proof_goes_without_a_day_that_is_loaded_and_without_what_permits_a_load(
    sqlite_database: str, make: Make
) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(run := make(revenue(range(20))))
    asked = ("--still-loaded", f"{run.day}={run.run_id}")
    for code, _, err in (
        finish(start_loader(target, run, *asked)),
        finish(start_loader(target, run, *asked, "--accept-change", loads=False)),
    ):
        assert (code, "--still-loaded stands for --day and --run-id" in err) == (2, True)
    assert target.rows() == []


def test_the_exit_code_says_what_kind_of_refusal_it_is(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(run := make(revenue(range(20)), number=3))
    assert finish(start_loader(target, run))[0] == 0
    late = make([], number=2)
    assert finish(start_loader(target, late))[0] == 30
    foreign = make([], number=4, head_id="ab" * 16)
    assert finish(start_loader(target, foreign))[0] == 10
    damaged = make(revenue(range(9)), number=5)
    damaged.path("receipt-00000.json").unlink()
    code, out, err = finish(start_loader(target, damaged))
    assert (code, out) == (40, "")
    assert "no receipt: 0" in err
    assert target.rows() == expected(run)


def test_what_the_operator_allows_by_name_is_done(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(run := make(revenue(range(20))))
    target.load(run)
    older = make(revenue(range(5)), number=2, as_of=run.as_of - timedelta(days=1))
    assert finish(start_loader(target, older))[0] == 30
    assert finish(start_loader(target, older, "--allow-older"))[0] == 0
    adopted = make(revenue(range(6)), number=1, run_id="run-new", export_id="export-new", head_id="ab" * 16)
    assert finish(start_loader(target, adopted, "--adopt-head", "ab" * 16))[0] == 0
    assert target.rows() == expected(adopted)


def test_a_key_of_the_file_is_overridden_by_set(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database, table="elsewhere")
    target.init(run := make(revenue(range(4))))
    assert finish(start_loader(target, run, "--set", "target.table=elsewhere"))[0] == 0
    assert target.rows() == expected(run)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--day", "2026-02-30", "--run-id", "run-0001"], 10, "not a day"),
        (["--day", "2026-11-14", "--run-id", "../../x"], 10, "run id"),
        (["--day", "2026-11-14", "--run-id", "run-0099"], 10, "There is no run"),
        (["--day", "2026-11-14"], 2, "--run-id"),
        (["--day", "2026-11-14", "--run-id", "run-0001", "--config", "not-there.toml"], 10, "not-there.toml"),
    ],
)
def test_wrong_arguments_are_told(
    sqlite_database: str, make: Make, *, arguments: list[str], code: int, words: str
) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    run = make(revenue(range(2)))
    finish(start_loader(target, run))
    command = [warm_python(), "-m", "loader", "--config", str(run.folder.parent / "run-0001.toml"), *arguments]
    ended = subprocess.run(
        command,
        env={**os.environ, "LOADER_TARGET": target.url},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (code, "")
    assert words in ended.stderr


def _wait_until_open(process: subprocess.Popen[str], file: str) -> None:
    """Return when the process has the file open."""
    descriptors = Path(f"/proc/{process.pid}/fd")
    for _ in range(600):
        assert process.poll() is None
        for each in descriptors.iterdir():
            with suppress(FileNotFoundError):  # it was closed meanwhile
                if str(each.readlink()) == file:
                    return
        time.sleep(0.05)
    raise AssertionError(f"{file} is not opened")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_middle_of_the_transaction_ends_it_within_5_seconds(
    target: LoaderTarget, make: Make, number: signal.Signals
) -> None:
    target.init(first := make(revenue(range(100))))
    target.load(first)
    before = target.state()
    run = make(revenue(range(100), cents=lambda user: user), number=2)
    with target.cursor() as cursor:
        cursor.execute(target.pick(sqlite="BEGIN IMMEDIATE", postgres="BEGIN", mariadb="BEGIN"))
        if target.kind != "sqlite":
            cursor.execute("SELECT * FROM revenue WHERE user_id = 3 AND day = '2026-11-14' FOR UPDATE")
        process = start_loader(target, run, lock=60, idle=60, warm=False)
        if target.kind == "sqlite":
            _wait_until_open(process, str(sa.make_url(target.url).database))  # its preflight waits for it then
        else:
            target.wait_for_a_lock_wait()
        process.send_signal(number)
        began = time.monotonic()
        code, out, err = finish(process)
        seconds = time.monotonic() - began
        cursor.execute("ROLLBACK")
    assert (code, out) == (20, ""), err
    assert "Stopped on request" in err
    assert seconds < 5
    assert target.settled_rows() == expected(first)
    assert target.state() == before
    assert finish(start_loader(target, run))[0] == 0
    assert target.rows() == expected(run)


def test_no_password_is_ever_printed(server_target: LoaderTarget, make: Make) -> None:
    run = make(revenue(range(3)))
    url = server_target.url
    away = start_loader(server_target, run, url=url.split("@")[0] + "@127.0.0.1:9/x")
    wrong_port = url.split("@")[0] + "@127.0.0.1:port/x"
    urls = [url, url + "_not_there", wrong_port, url.replace("+p", "+unknown"), url + "?nonsense=1"]
    processes = [start_loader(server_target, run, url=each, warm=False) for each in urls]
    commands = [Path(f"/proc/{process.pid}/cmdline").read_bytes() for process in processes if process.poll() is None]
    ends = [finish(process) for process in processes]
    assert away.stderr is not None
    first_try = away.stderr.readline()
    away.send_signal(signal.SIGTERM)
    ends.append(finish(away))
    assert "Attempt 2" in first_try
    assert [code for code, _, _ in ends] == [10] * len(urls) + [20]
    printed = first_try + "".join(out + err for _, out, err in ends) + b"".join(commands).decode()
    assert "canary" not in printed
    assert PASSWORD not in printed


def test_a_signal_during_the_start_is_heard(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(run := make(revenue(range(3))))
    before = target.state()
    codes = []
    for wait_seconds in (0.05, 0.3, 0.6):
        process = start_loader(target, run, warm=False)
        time.sleep(wait_seconds)
        process.send_signal(signal.SIGTERM)
        codes.append(finish(process)[0])
        if codes[-1] == 0:
            break  # it was quicker than the signal
        assert target.state() == before
    assert set(codes) <= {-signal.SIGTERM, 20, 0}  # Python itself was not up yet, or we were, or all was done


def test_a_progress_line_says_whether_the_day_was_loaded_now_or_before(
    sqlite_database: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_PROGRESS", "1")
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(run := make(revenue(range(20))))
    assert '"note": "loaded"' in finish(start_loader(target, run))[2]
    assert '"note": "already loaded"' in finish(start_loader(target, run))[2]
