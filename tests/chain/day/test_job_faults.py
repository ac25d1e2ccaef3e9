"""What must hold while jobs and the service that runs them go wrong: the right exit code, Revenue right or untouched.

The chain, the emulator, its tasks and fake-gcs-server are real processes; Revenue is compared with plain Python.
"""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import jobs_emulator
from chain.demo.rows import Shop
from tests.chain.jobs.cloudrun.cloud_day import STEPS, CloudDay, cloud_day, make_shop
from tests.chain.jobs.cloudrun.harness import wait_until

pytestmark = pytest.mark.integration

ONE_EACH = dict.fromkeys(STEPS, 1)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shop(tmp_path_factory.mktemp("shop"), Shop(1, 40, 1500))


@pytest.fixture
def processor_python(request: pytest.FixtureRequest) -> str | None:
    """A whole start where a task must not be done when it is killed, or where its memory is measured."""
    chosen = getattr(request.node, "callspec", None)
    return sys.executable if chosen and {"rest", "grpc", "kill", "eat"} & set(chosen.params.values()) else None


@pytest.fixture
def day(shop: Path, tmp_path: Path, processor_python: str | None) -> Iterator[CloudDay]:
    """A day with two shards and two tasks, which somebody has loaded wrongly before."""
    with cloud_day(shop, tmp_path, python_of_processor=processor_python) as made:
        spoil(made)
        yield made


@pytest.fixture
def bucket_day(shop: Path, tmp_path: Path, gcs_bucket: str, processor_python: str | None) -> Iterator[CloudDay]:
    """The same on fake-gcs-server."""
    with cloud_day(shop, tmp_path, staging=f"{gcs_bucket}/days", python_of_processor=processor_python) as made:
        spoil(made)
        yield made


def spoil(day: CloudDay) -> None:
    day.sql("INSERT INTO revenue (day, user_id, revenue, purchases) VALUES ('2026-10-25', 1, '0.07', 3)")


def is_spoiled(day: CloudDay) -> bool:
    return [row[0] for row in day.revenue()] == [1] and day.sql("SELECT count(*) FROM revenue") == [(1,)]


@pytest.mark.parametrize(
    ("where", "transport", "code"),
    [("bucket_day", "grpc", "RESOURCE_EXHAUSTED"), ("bucket_day", "rest", "UNAVAILABLE"), ("day", "rest", "INTERNAL")],
)
def test_every_call_is_refused_once_every_start_loses_its_reply_and_tasks_are_killed(
    where: str, transport: str, code: str, request: pytest.FixtureRequest
) -> None:
    day: CloudDay = request.getfixturevalue(where)
    day.settings.append(f"cloud.transport={transport}")
    day.go()
    kills = [{"task": task, "after_seconds": 0.05} for task in (0, 1)]  # of each job, its first attempt
    day.emulator.chaos(unavailable_first=1, unavailable_code=code, lost_run_replies=3, kill_tasks=kills)
    day.done()
    day.emulator.chaos(unavailable_first=0)
    assert day.counts() == ONE_EACH
    assert [day.executions()[step][0].retried_count for step in STEPS] == [1, 2, 1]


def test_attempts_that_run_twice_at_once_change_nothing(bucket_day: CloudDay) -> None:
    bucket_day.emulator.chaos(start_twice_rate=1.0)
    run = bucket_day.begin()
    wait_until(lambda: sorted(bucket_day.attempts()) == ["0", "0", "1", "1"] or run.poll() is not None)
    bucket_day.go()
    code, stdout, stderr = bucket_day.finish(run)
    assert code == 0, stderr
    bucket_day.check_done(stdout)
    assert bucket_day.counts() == ONE_EACH
    assert len(bucket_day.attempts()) == 4


@pytest.mark.parametrize(
    ("fault", "code", "told"),
    [
        ("kill", 20, "It was killed by signal 9."),
        ("sleep", 20, "It took longer than its timeout."),
        ("eat", 20, "Memory limit of 512 MiB exceeded with"),
        ("raise", 10, "The transform own_transform:chosen raised."),
    ],
)
def test_a_task_that_ends_badly_each_time_leaves_revenue_untouched_and_names_itself(
    day: CloudDay, fault: str, code: int, told: str
) -> None:
    day.go()
    day.settings += ["process.max_retries=1", f"process.timeout_seconds={5 if fault == 'sleep' else 600}"]
    day.faults(task_1=fault)
    if fault == "kill":
        always = {"task": 1, "after_seconds": 0.05, "attempt": None}
        day.emulator.chaos(kill_tasks=[always])
    ended, stdout, stderr = day.run()
    assert (ended, json.loads(stdout)["error"]["exit_code"]) == (code, code), stderr
    assert f"processor, task 1 of 2: {told}" in stderr
    assert "(after 2 attempts)" in stderr
    [failed] = day.executions()["processor"]
    name = failed.name.rpartition("/")[2]
    assert f"http://{day.emulator.address}/_emulator/log?execution={name}&task=1&attempt=1" in stderr
    assert (failed.succeeded_count, failed.failed_count, failed.retried_count) == (1, 1, 1)
    assert day.counts() == {"exporter": 1, "processor": 1, "loader": 0}
    assert is_spoiled(day)
    calls = day.attempts().count("1")  # of the transform: what can't pass by itself is tried once
    assert calls == 1 if fault == "raise" else calls > 1 or fault == "kill"

    day.emulator.chaos(kill_tasks=[])
    day.faults()
    day.done()
    assert day.counts() == {"exporter": 1, "processor": 2, "loader": 1}


@pytest.mark.parametrize(
    "shards", [pytest.param(6, id="1_of_6"), pytest.param(64, id="1_of_64", marks=pytest.mark.nightly)]
)
def test_one_task_of_many_fails_for_good_and_only_it_is_done_again(shop: Path, tmp_path: Path, shards: int) -> None:
    with cloud_day(shop, tmp_path, shards=shards) as day:
        spoil(day)
        day.go()
        bad = shards // 2 + 1
        day.faults(**{f"task_{bad}": "raise"})
        code, stdout, stderr = day.finish(day.begin(), seconds=600)
        assert (code, json.loads(stdout)["error"]["exit_code"]) == (10, 10), stderr
        assert f"processor, task {bad} of {shards}: The transform own_transform:chosen raised." in stderr
        assert "Row 7 is odd." in stderr
        assert f"&task={bad}&attempt=" in stderr
        assert is_spoiled(day)
        kept = day.receipts()
        assert len(kept) == shards - 1
        assert not [name for name in kept if name.endswith(f"-{bad:05}.json")]

        tried = len(day.attempts())
        day.faults()
        code, stdout, stderr = day.finish(day.begin(command="resume"), seconds=600)
        assert code == 0, stderr
        day.check_done(stdout)
        assert [name[-10:-5] for name in day.receipts() - kept] == [f"{bad:05}"]
        assert day.attempts()[tried:] == [str(bad)]


@pytest.mark.parametrize("step", ["exporter", "loader"])
def test_an_emulator_killed_before_a_step_has_begun_goes_on_with_it(day: CloudDay, step: str) -> None:
    run = before(day, step)
    day.emulator.end(signal.SIGKILL)
    day.emulator.start()  # its switches are gone
    code, stdout, stderr = day.finish(run)
    assert code == 0, stderr
    day.check_done(stdout)
    assert day.counts() == ONE_EACH


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_emulator_stopped_while_the_loader_waits_for_a_lock_loads_once(
    day: CloudDay, number: signal.Signals
) -> None:
    run = before(day, "loader")
    with closing(sqlite3.connect(day.folder / "shop.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        day.emulator.chaos(never_start=False)
        day.emulator.end(number)
        day.emulator.start()
        wait_until(lambda: day.executions()["loader"][0].running_count == 1)
        day.emulator.end(number)
        assert is_spoiled(day)
        day.emulator.start()
        holder.execute("ROLLBACK")
    code, stdout, stderr = day.finish(run)
    assert code == 0, stderr
    day.check_done(stdout)
    assert day.counts() == ONE_EACH


@pytest.mark.nightly
def test_an_emulator_that_comes_back_without_its_memory_ends_the_run_and_the_same_command_does_the_day(
    day: CloudDay,
) -> None:
    run = day.begin()
    day.wait_for_tasks(run)
    day.emulator.end(signal.SIGKILL)
    (day.folder / "data").rename(day.folder / "lost")
    day.go()
    day.emulator.start()
    code, stdout, stderr = day.finish(run)
    assert (code, json.loads(stdout)["error"]["exit_code"]) == (20, 20), stderr
    assert "could not be looked at" in stderr
    assert is_spoiled(day)
    day.done()
    assert day.counts() == {"exporter": 0, "processor": 1, "loader": 1}


@pytest.mark.parametrize("step", ["exporter", "loader"])
def test_a_step_cancelled_from_outside_says_so_and_the_same_command_does_the_day(day: CloudDay, step: str) -> None:
    run = before(day, step)
    with jobs_emulator.executions_client(day.emulator.address) as client:
        client.cancel_execution(name=day.executions()[step][0].name)
    code, stdout, stderr = day.finish(run)
    assert (code, json.loads(stdout)["error"]["exit_code"]) == (20, 20), stderr
    assert f"The {step} was cancelled" in stderr
    assert "Somebody cancelled" in stderr
    assert is_spoiled(day)
    day.emulator.chaos(never_start=False)
    day.done()
    assert day.counts()[step] == 2
    assert [each.succeeded_count for each in day.executions()[step]] == [1, 0]


def before(day: CloudDay, step: str) -> subprocess.Popen[str]:
    """A run whose execution of that step is there, and has not begun."""
    if step == "exporter":
        day.emulator.chaos(never_start=True)
    run = day.begin()
    if step == "loader":
        day.wait_for_tasks(run)
        day.emulator.chaos(never_start=True)
    day.go()
    day.wait_for_execution(step, run)
    return run
