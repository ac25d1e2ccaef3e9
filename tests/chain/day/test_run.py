"""`penstock run` and `reprocess` with the real jobs, on SQLite and a folder: reuse, retries, failures, signals."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from chain.day.receipts import read_receipts
from staging.errors import ExitCode, IntegrityError
from staging.names import DayNames
from staging.open_store import open_store
from tests.chain.chain_days import DAY, DemoDay, is_alive, wait_until
from tests.warm import warm_python

pytestmark = pytest.mark.integration


def test_a_day_is_brought_to_done_and_a_second_run_writes_nothing_anywhere(day: DemoDay) -> None:
    first = day.report("run")
    assert (first["status"], first["shards"], first["tasks"]) == ("done", 2, 2)
    assert day.kinds() == sorted(
        ["head", "manifest", "run", "export", "loaded"]
        + ["shard"] * 2
        + ["part"] * 2
        + ["receipt"] * 2
        + ["timeline"] * 3
    )
    assert first["rows_loaded"] == len(day.revenue()) == first["inserted"]
    objects, rows, bytes_ = day.objects(), day.revenue(), day.database.read_bytes()

    again = day.penstock("run")
    assert again.returncode == 0, again.stderr
    assert f"daily_revenue {DAY}: already done" in again.stdout
    assert "nothing written" in again.stdout
    assert (day.objects(), day.revenue()) == (objects, rows)
    assert day.database.read_bytes() == bytes_
    assert day.report("run") | {"seconds": 0} == first | {"seconds": 0, "status": "already done", "inserted": 0}


def test_a_day_that_another_transform_made_says_so_when_it_is_already_done(day: DemoDay) -> None:
    assert day.report("run")["status"] == "done"
    assert "reprocess" not in day.penstock("run").stderr
    query = "SELECT user_id, SUM(amount) AS revenue, COUNT(*) AS purchases FROM rows GROUP BY user_id"
    again = day.penstock("run", "--set", f"process.sql={query}")
    assert again.returncode == 0, again.stderr
    assert "already done" in again.stdout
    assert "was processed by processor.revenue:revenue_per_user" in again.stderr
    assert "`penstock reprocess`" in again.stderr


def test_a_day_that_another_version_of_the_module_made_says_so_when_it_is_already_done(day: DemoDay) -> None:
    module = day.config.parent / "own.py"
    module.write_text("from processor.revenue import revenue_per_user\n")
    own = ("--set", "process.transform=own:revenue_per_user")
    assert day.report("run", *own)["status"] == "done"
    assert "reprocess" not in day.penstock("run", *own).stderr
    module.write_text("from processor.revenue import revenue_per_user  # another file\n")
    again = day.penstock("run", *own)
    assert again.returncode == 0, again.stderr
    assert "was processed by own:revenue_per_user of a module with the SHA-256" in again.stderr
    day.report("reprocess", *own)
    assert "reprocess" not in day.penstock("run", *own).stderr


def test_only_the_ledger_decides_what_is_loaded(day: DemoDay) -> None:
    before = day.database.read_bytes()
    first = day.report("run")
    rows = day.revenue()
    for command in ("run", "resume"):
        day.database.write_bytes(before)  # the target is restored from a backup; the bucket still says "loaded"
        assert day.revenue() == []
        again = day.report(command)
        assert (again["status"], again["run_id"], again["inserted"]) == ("done", first["run_id"], len(rows))
        assert day.revenue() == rows
        assert day.report(command)["status"] == "already done"


def test_reprocess_needs_no_source_and_says_what_it_was(day: DemoDay) -> None:
    first = day.report("run")
    day.sql("DROP TABLE purchases")
    day.sql("UPDATE revenue SET purchases = purchases + 1 WHERE user_id = 3")
    again = day.report("reprocess")
    assert again["export_id"] == first["export_id"]
    assert again["run_id"] != first["run_id"]
    assert (again["status"], again["updated"], again["inserted"], again["deleted"]) == ("done", 1, 0, 0)
    record = next((day.staging / "daily_revenue").rglob(f"run={again['run_id']}/run.json"))
    assert json.loads(record.read_text())["kind"] == "reprocess"
    assert not list((day.folder / "logs").rglob("exporter-*/*attempt1*"))
    assert len(list((day.folder / "logs").rglob("exporter-*"))) == 1


def test_an_export_that_answers_another_question_is_refused_until_the_source_is_read_again(day: DemoDay) -> None:
    first = day.report("run")
    objects = day.objects()
    for command in ("run", "reprocess"):
        refused = day.penstock(command, "--set", "source.where=status = 'paid'")
        assert refused.returncode == 10
        assert "source.where was status IN ('paid', 'refunded') and is status = 'paid'" in refused.stderr
        assert "--fresh-export" in refused.stderr
    assert day.objects() == objects
    paid = day.report("run", "--set", "source.where=status = 'paid'", "--fresh-export")
    assert paid["status"] == "done"
    assert paid["export_id"] != first["export_id"]
    assert paid["rows_exported"] < first["rows_exported"]


def test_settings_come_by_flag_and_by_environment_and_reach_the_jobs(day: DemoDay) -> None:
    ended = day.penstock("run", "--json", "--set", "export.shards=3", PENSTOCK_PROCESS__TASKS="4")
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert (report["shards"], report["tasks"]) == (3, 4)


@pytest.mark.parametrize("fate", ["changed", "gone"])
def test_a_file_that_changes_while_a_run_is_under_way_changes_nothing_of_it(day: DemoDay, fate: str) -> None:
    day.use_transform("wait")
    text = day.config.read_text()
    with day.start("run", warm=True) as process:
        wait_until(day.attempts)  # the export is there, the processor's first task has read its settings
        assert day.progress().has_export
        if fate == "gone":
            day.config.unlink()
        else:
            day.config.write_text(text.replace('table = "revenue"', 'table = "elsewhere"').replace("own_", "no_"))
            assert day.config.read_text() != text
        (day.folder / "go").touch()
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert day.is_right()
    assert day.sql("SELECT name FROM sqlite_master WHERE name = 'elsewhere'") == []


def test_a_task_that_dies_is_tried_again_and_the_day_is_done(day: DemoDay) -> None:
    day.use_transform("die once")
    ended = day.penstock("run")
    assert ended.returncode == 0, ended.stderr
    assert "1 retried" in ended.stderr
    assert {(task, attempt) for task, attempt, _ in day.attempts()} == {(0, 0), (1, 0), (1, 1)}


def test_a_failing_jobs_message_and_code_become_the_chains_own(day: DemoDay) -> None:
    day.use_transform("fail")
    ended = day.penstock("run", "--json")
    assert ended.returncode == 10
    assert json.loads(ended.stdout)["error"]["exit_code"] == 10
    assert "error: processor, task " in ended.stderr
    assert "the moon is wrong" in ended.stderr
    log = next(line for line in ended.stderr.splitlines() if line.startswith("  log: ")).removeprefix("  log: ")
    assert "the moon is wrong" in Path(log).read_text()
    assert "Traceback" not in ended.stderr
    assert day.revenue() == []
    day.use_transform("well")
    again = day.report("run")
    assert again["status"] == "done"
    assert day.kinds().count("manifest") == 1  # the export of the failed run is used again


@pytest.mark.parametrize(
    ("breaking", "override", "code", "said"),
    [
        ("DROP TABLE purchases", "process.tasks=3", 10, "exporter: "),
        ("DROP TABLE revenue", "process.tasks=3", 10, "loader: "),
        ("SELECT 1", "target.url=sqlite:////nonexistent/folder/t.db", 10, "loader: "),
    ],
)
def test_what_a_job_finds_wrong_comes_through(day: DemoDay, breaking: str, override: str, code: int, said: str) -> None:
    day.sql(breaking)
    ended = day.penstock("run", "--set", override)
    assert ended.returncode == code, ended.stderr
    assert said in ended.stderr
    assert "  fix: " in ended.stderr
    assert "  log: " in ended.stderr
    assert ended.stdout == ""


def test_of_a_task_that_fails_for_good_the_transform_is_called_once_and_resume_tries_it_anew(day: DemoDay) -> None:
    day.use_transform("fail one")
    ended = day.penstock("run")
    assert ended.returncode == 10, ended.stderr
    assert "processor, task 1 of 2: " in ended.stderr
    assert "the moon is wrong" in ended.stderr
    calls = {(task, attempt) for task, attempt, _ in day.attempts()}
    assert calls == {(0, 0), (1, 0)}
    day.use_transform("")
    assert day.penstock("resume").returncode == 0
    assert {task for task, _, _ in day.attempts()} == {1}


@pytest.fixture
def hanging(day: DemoDay) -> Iterator[tuple[DemoDay, subprocess.Popen[str]]]:
    """A run whose tasks hang in the transform."""
    day.use_transform("hang")
    with subprocess.Popen(
        day.command("run", "--set", "chain.lease_seconds=2", python=warm_python()),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as chain:
        try:
            wait_until(lambda: len(day.attempts()) >= 1)
            yield day, chain
        finally:
            chain.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_and_its_jobs_and_the_same_command_goes_on(
    hanging: tuple[DemoDay, subprocess.Popen[str]], number: signal.Signals
) -> None:
    day, chain = hanging
    chain.send_signal(number)
    out, err = chain.communicate()
    assert chain.returncode == 20, err
    assert "error: Stopped on request" in err
    assert "The same command goes on" in err
    assert out == ""
    assert not [pid for _, _, pid in day.attempts() if is_alive(pid)]
    assert day.revenue() == []
    assert "receipt" not in day.kinds()
    day.use_transform("well")
    assert day.report("run")["status"] == "done"
    assert day.kinds().count("manifest") == 1


def test_a_chain_that_is_killed_takes_its_jobs_with_it(hanging: tuple[DemoDay, subprocess.Popen[str]]) -> None:
    day, chain = hanging
    chain.kill()
    chain.wait()
    wait_until(lambda: not [pid for _, _, pid in day.attempts() if is_alive(pid)])
    day.use_transform("well")
    refused = day.penstock("run")
    while refused.returncode == ExitCode.HELD:
        assert "is held by" in refused.stderr
        refused = day.penstock("run")
    assert refused.returncode == 0, refused.stderr
    assert day.revenue()


def test_a_signal_while_the_loader_waits_for_a_lock_leaves_the_target_as_it_was(day: DemoDay) -> None:
    with closing(sqlite3.connect(day.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with subprocess.Popen(day.command("run"), stderr=subprocess.PIPE, text=True) as chain:
            assert chain.stderr is not None
            for line in chain.stderr:
                if line.startswith("load: started"):
                    break
            chain.send_signal(signal.SIGTERM)
            rest = chain.stderr.read()
        assert chain.returncode == 20, rest
        other.execute("ROLLBACK")
    assert day.revenue() == []
    assert day.report("run")["status"] == "done"


def test_a_receipt_that_is_missing_is_an_integrity_error_that_names_it(day: DemoDay) -> None:
    report = day.report("run")
    receipt = next((day.staging / "daily_revenue").rglob("receipt-00001.json"))
    receipt.unlink()
    names = DayNames("daily_revenue", date.fromisoformat(DAY))
    with open_store(day.staging.as_uri()) as store, pytest.raises(IntegrityError, match="1 of its receipts") as caught:
        read_receipts(store, names, report["run_id"], 2)
    assert "receipt-00001.json" in caught.value.why
    assert "os._exit" in caught.value.why, "a transform that ends its process leaves none either"


def test_verify_agrees_and_finds_what_was_changed_behind_its_back(day: DemoDay) -> None:
    assert day.penstock("verify").returncode == 40  # nothing is loaded yet
    day.report("run")
    agreed = day.penstock("verify")
    assert agreed.returncode == 0, agreed.stderr
    assert "everything agrees" in agreed.stdout
    day.sql("UPDATE revenue SET revenue = '0.01' WHERE user_id = 3")
    differs = day.penstock("verify", "--json")
    assert differs.returncode == 40
    found = json.loads(differs.stdout)
    assert [check["name"] for check in found["checks"] if not check["ok"]] == ["target"]
    assert found["ok"] is False
    assert "does not agree" in differs.stderr
