"""Whole days by `penstock run` on an emulator that is a process of its own, while things go wrong."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import jobs_emulator
from chain.demo.rows import Shop
from tests.chain.jobs.cloudrun.cloud_day import CloudDay, cloud_day, make_shop

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shop(tmp_path_factory.mktemp("shop"), Shop(1, 40, 1500))


@pytest.fixture
def day(shop: Path, tmp_path: Path) -> Iterator[CloudDay]:
    with cloud_day(shop, tmp_path) as made:
        yield made


@pytest.fixture
def slow_day(shop: Path, tmp_path: Path) -> Iterator[CloudDay]:
    """One whose tasks are not done before they can be killed: each is a whole start."""
    with cloud_day(shop, tmp_path, python_of_processor=sys.executable) as made:
        yield made


@pytest.mark.fault("lost reply", step="chain")
def test_a_day_is_done_though_every_call_fails_once_each_reply_is_lost_and_a_task_is_killed(
    slow_day: CloudDay,
) -> None:
    day = slow_day
    day.emulator.chaos(unavailable_first=1, lost_run_replies=3, kill_tasks=[{"task": 1, "after_seconds": 0.05}])
    day.go()
    code, stdout, stderr = day.finish(day.begin())
    assert code == 0, stderr
    report = json.loads(stdout)
    assert report["status"] == "done"
    assert report["rows_loaded"] == len(day.revenue()) > 0
    day.emulator.chaos(unavailable_first=0, lost_run_replies=0)
    assert {step: len(found) for step, found in day.executions().items()} == dict.fromkeys(day.executions(), 1)
    for found in day.executions().values():
        told = {variable.name: variable for variable in found[0].template.containers[0].env}
        assert told["PENSTOCK_RUN_ID"].value == report["run_id"]
        secret = told["SHOP_URL"].value_source.secret_key_ref.secret if "SHOP_URL" in told else ""
        assert secret == ("shop-url" if told["PENSTOCK_STEP"].value == "exporter" else "")
    assert day.executions()["processor"][0].retried_count == 1


def test_rows_are_seen_while_the_jobs_work_and_a_day_that_is_done_says_so(day: CloudDay) -> None:
    day.go()
    code, stdout, stderr = day.run()
    assert code == 0, stderr
    rows = json.loads(stdout)["rows_exported"]
    assert f"export: done, {rows:,} rows, " in stderr
    assert re.search(rf"process: done, 2 of 2 tasks, {rows:,} rows, [\d,]+ rows/s", stderr)
    code, stdout, stderr = day.run()
    assert (code, json.loads(stdout)["status"]) == (0, "already done"), stderr
    day.sql("DELETE FROM revenue")
    day.sql("DELETE FROM penstock_ledger")
    code, stdout, stderr = day.run()
    assert (code, json.loads(stdout)["status"]) == (0, "done"), stderr
    assert day.revenue() == day.expected_revenue()


def test_an_emulator_that_is_killed_and_started_again_goes_on_with_the_day(day: CloudDay) -> None:
    run = day.begin()
    day.wait_for_tasks(run)
    day.emulator.end(signal.SIGKILL)
    day.go()
    day.emulator.start()
    code, stdout, stderr = day.finish(run)
    assert code == 0, stderr
    assert json.loads(stdout)["rows_loaded"] == len(day.revenue()) > 0
    assert {step: len(found) for step, found in day.executions().items()} == dict.fromkeys(day.executions(), 1)


def test_a_day_cancelled_from_outside_ends_with_20_and_the_same_command_brings_it_to_done(day: CloudDay) -> None:
    run = day.begin()
    day.wait_for_tasks(run)
    with jobs_emulator.executions_client(day.emulator.address) as client:
        client.cancel_execution(name=day.executions()["processor"][0].name)
    code, stdout, stderr = day.finish(run)
    assert (code, json.loads(stdout)["error"]["exit_code"]) == (20, 20)
    assert "The processor was cancelled" in stderr
    assert day.revenue() == []
    day.go()
    code, stdout, stderr = day.finish(day.begin())
    assert code == 0, stderr
    assert json.loads(stdout)["rows_loaded"] == len(day.revenue()) > 0


def test_ctrl_c_cancels_what_runs_on_the_emulator(day: CloudDay) -> None:
    run = day.begin()
    day.wait_for_tasks(run)
    run.send_signal(signal.SIGINT)
    code, stdout, stderr = day.finish(run)
    assert (code, json.loads(stdout)["error"]["exit_code"]) == (20, 20), stderr
    [execution] = day.executions()["processor"]
    assert execution.cancelled_count == 2
    assert day.revenue() == []


def test_an_error_of_a_job_is_told_in_its_own_words_with_where_its_log_is(day: CloudDay) -> None:
    code, _, stderr = day.finish(day.begin("--set", "source.table=nowhere"))
    assert code == 10
    assert "exporter: " in stderr
    assert "nowhere" in stderr
    address = stderr.rpartition("log: ")[2].strip()
    assert address.startswith(f"http://{day.emulator.address}/_emulator/log?execution=daily-revenue-exporter-")


def test_an_emulator_that_is_not_there_is_named(day: CloudDay) -> None:
    day.emulator.end()
    code, _, stderr = day.finish(day.begin())
    assert code == 20
    assert f"RUN_EMULATOR_HOST says {day.emulator.address}" in stderr


def test_a_password_in_the_file_does_not_travel_to_an_emulator_of_its_own(day: CloudDay) -> None:
    code, stdout, stderr = day.finish(day.begin("--set", "target.url=postgresql://u:hunter2@127.0.0.1:1/d"))
    assert (code, json.loads(stdout)["error"]["exit_code"]) == (10, 10)
    assert "target.url holds a password" in stderr
    assert "hunter2" not in stderr
    assert not any(day.executions().values())
