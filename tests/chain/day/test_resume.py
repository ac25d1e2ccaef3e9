"""Chains that are killed, frozen and raced, as real processes: the day comes out right, and no work is done twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from google.cloud import run_v2

import jobs_emulator
from staging.errors import ExitCode
from tests.chain.chain_days import DemoDay, is_alive, make_day, wait_until
from tests.chain.jobs.cloudrun.harness import EmulatorProcess, emulator_process
from tests.warm import warm_python

pytestmark = pytest.mark.integration

SHORT = ("--set", "chain.lease_seconds=2")
SHARDS = 4
MOMENTS = 50
LEAN_MOMENTS = (3, 19, 28, 45)
"""Hardly begun, while it exports, while it processes, before it has loaded."""
OBJECTS_OF_A_RUN = 17
"""Head, run.json, four shards, manifest, export.json, four parts with their receipts, loaded.json."""


@pytest.fixture
def day(made: Path, tmp_path: Path) -> DemoDay:
    """A day of its own, ready to run."""
    return make_day(made, tmp_path, shards=SHARDS)


# --- killed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", LEAN_MOMENTS)
@pytest.mark.fault("killed", step="chain")
def test_a_chain_killed_at_any_moment_is_resumed_to_the_right_revenue(day: DemoDay, moment: int) -> None:
    kill_and_resume(day, moment)


@pytest.mark.nightly
@pytest.mark.parametrize("moment", sorted(set(range(MOMENTS)) - set(LEAN_MOMENTS)))
@pytest.mark.fault("killed", step="chain")
def test_a_chain_killed_at_any_other_moment_is_resumed_to_the_right_revenue(day: DemoDay, moment: int) -> None:
    kill_and_resume(day, moment)


def kill_and_resume(day: DemoDay, moment: int) -> None:
    """Kill `penstock run` shortly after it has so many objects in the bucket, and bring the day to done."""
    chance = random.Random(moment)
    objects, delay_seconds = moment * (OBJECTS_OF_A_RUN + 1) // MOMENTS, chance.choice([0, 0.02, 0.1, 0.3, 0.7, 1.5])
    with day.start("run", *SHORT, warm=True) as chain:
        wait_until(lambda: day.count_objects() >= objects or chain.poll() is not None, every_seconds=0.002)
        time.sleep(delay_seconds)
        chain.kill()
        chain.communicate()
    wait_until(lambda: not day.job_pids())  # none outlives its chain
    assert day.revenue() == [] or day.is_right()
    done = day.progress()
    ended = resume_when_free(day)
    if ended.returncode == ExitCode.INPUT:
        assert "There is no run" in ended.stderr
        assert done.receipts == 0
        ended = day.penstock("run", "--json", "--logs", str(day.folder / "resumed"))
    assert ended.returncode == 0, ended.stderr
    assert day.is_right()
    assert json.loads(ended.stdout)["rows_loaded"] == len(day.revenue()) > 0
    # What was done stays, and is not done again.
    after = day.progress()
    assert day.executions("exporter", "resumed") <= (0 if done.has_export else 1)
    assert day.executions("processor", "resumed") == (0 if done.receipts == SHARDS else 1)
    assert day.executions("loader", "resumed") == 1
    assert done.documents.items() <= after.documents.items()
    assert day.sql("SELECT run_id, fence FROM penstock_ledger") == [(day.run_ids()[-1], day.head()["fence"])]
    assert len(day.run_ids()) == 1
    assert day.head()["lease"] is None


def resume_when_free(day: DemoDay) -> subprocess.CompletedProcess[str]:
    """Return the first `penstock resume` that is not told that the dead one holds the day."""
    while True:
        ended = day.penstock("resume", "--json", *SHORT, "--logs", str(day.folder / "resumed"))
        if ended.returncode != ExitCode.HELD:
            return ended
        assert "is held by" in ended.stderr
        assert "Since 20" in ended.stderr


def test_a_dead_reprocess_and_a_dead_fresh_export_are_resumed_as_what_they_were(day: DemoDay) -> None:
    first = day.report("run")
    day.use_transform("wait")
    for command, kind, fresh in ((("reprocess",), "reprocess", False), (("run", "--fresh-export"), "run", True)):
        (day.folder / "go").unlink(missing_ok=True)
        day.use_transform("wait")
        with day.start(*command, *SHORT, warm=True) as chain:
            wait_until(lambda: day.attempts() or chain.poll() is not None)
            chain.kill()
            chain.communicate()
        run_id = day.head()["run_id"]
        (day.folder / "go").touch()
        report = json.loads(resume_when_free(day).stdout)
        assert (report["run_id"], report["status"]) == (run_id, "done")
        assert (report["export_id"] == first["export_id"]) is not fresh
        record = json.loads(next(day.staging.rglob(f"run={run_id}/run.json")).read_text())
        assert (record["kind"], record["fresh_export"]) == (kind, fresh)
    assert len(day.run_ids()) == 3
    assert day.is_right()


def test_a_dead_chain_is_resumed_from_a_bucket_by_the_clock_of_its_service(day: DemoDay, gcs_bucket: str) -> None:
    bucket = ("--set", f"staging.url={gcs_bucket}/staging", "--set", "chain.lease_seconds=6")
    day.use_transform("wait")
    with day.start("run", *bucket) as chain:
        wait_until(lambda: day.attempts() or chain.poll() is not None)
        assert chain.poll() is None, chain.communicate()
        refused = day.penstock("run", *bucket)
        assert refused.returncode == ExitCode.HELD, refused.stderr
        assert f"process {chain.pid}." in refused.stderr
        chain.kill()
    (day.folder / "go").touch()
    ended = refused
    while ended.returncode == ExitCode.HELD:
        ended = day.penstock("resume", "--json", *bucket)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["status"] == "done"
    assert "reading" not in ended.stderr
    assert day.is_right()


def test_resume_of_a_finished_day_says_so_and_of_one_never_begun_says_to_run(day: DemoDay) -> None:
    refused = day.penstock("resume")
    assert (refused.returncode, refused.stdout) == (ExitCode.INPUT, "")
    assert "There is no run of daily_revenue" in refused.stderr
    assert "penstock run" in refused.stderr
    first = day.report("run")
    again = day.report("resume")
    assert (again["status"], again["run_id"]) == ("already done", first["run_id"])
    assert day.is_right()


def test_what_failed_for_good_is_begun_anew_by_run_and_gone_on_with_by_resume(day: DemoDay) -> None:
    day.use_transform("fail")
    assert day.penstock("run").returncode == ExitCode.INPUT
    [failed] = day.run_ids()
    assert day.head()["run_failed"] is True
    assert day.penstock("resume").returncode == ExitCode.INPUT
    assert day.run_ids() == [failed]
    day.use_transform("well")
    report = day.report("run")
    assert report["run_id"] == day.run_ids()[1]
    assert day.kinds().count("manifest") == 1
    assert day.is_right()


# --- raced ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", range(2))
@pytest.mark.fault("raced", step="chain")
def test_of_two_chains_at_the_same_day_one_brings_it_to_done_and_the_other_is_refused(
    day: DemoDay, attempt: int
) -> None:
    race(day, attempt)


@pytest.mark.nightly
@pytest.mark.parametrize("attempt", range(2, 20))
def test_of_two_chains_at_the_same_day_time_after_time_one_is_refused(day: DemoDay, attempt: int) -> None:
    race(day, attempt)


def race(day: DemoDay, attempt: int) -> None:
    """Start two chains, the second one a little later."""
    with day.start("run", "--json", warm=True) as first:
        time.sleep(random.Random(attempt).choice([0, 0, 0.05, 0.3, 1]))
        with day.start("run", "--json", warm=True) as second:
            told = [chain.communicate() for chain in (first, second)]
    codes = sorted([first.returncode, second.returncode])
    assert codes in ([ExitCode.DONE, ExitCode.HELD], [ExitCode.DONE, ExitCode.DONE]), told
    if codes == [ExitCode.DONE, ExitCode.DONE]:  # one was over before the other one began
        assert sorted(json.loads(out)["status"] for out, _ in told) == ["already done", "done"]
    else:
        [refused] = [err for out, err in told if "error" in json.loads(out)]
        assert "is held by" in refused
    assert len(day.run_ids()) == 1
    assert [day.executions(job) for job in ("exporter", "processor")] == [1, 1]
    assert day.is_right()


# --- frozen ---------------------------------------------------------------------------------------------------------


@pytest.mark.fault("frozen", step="chain")
def test_a_chain_frozen_longer_than_its_lease_wakes_up_to_hurt_nothing(day: DemoDay) -> None:
    day.use_transform("wait")
    with day.start("run", *SHORT) as frozen:
        wait_until(lambda: len(day.attempts()) >= 1 or frozen.poll() is not None)
        stopped = [frozen.pid, *day.job_pids()]
        day.freeze(stopped)
        (day.folder / "go").touch()
        day.sql("UPDATE purchases SET amount = 12.5 WHERE status = 'paid'")
        old = day.head()["run_id"]
        ended = day.penstock("run", "--fresh-export", "--json", *SHORT)
        while ended.returncode == ExitCode.HELD:
            ended = day.penstock("run", "--fresh-export", "--json", *SHORT)
        assert ended.returncode == 0, ended.stderr
        assert day.is_right()
        rows = day.revenue()
        for pid in stopped:
            with suppress(ProcessLookupError):  # its chain, awake before it, may have ended it by now
                os.kill(pid, signal.SIGCONT)
        _, err = frozen.communicate()
    assert frozen.returncode == ExitCode.HELD, err
    assert "was taken over by another run" in err
    wait_until(lambda: not day.job_pids())
    # And had it gone on without any lease: the fence in the target keeps it out.
    for task in range(SHARDS):
        day.job("processor", old, CLOUD_RUN_TASK_INDEX=str(task), CLOUD_RUN_TASK_COUNT=str(SHARDS))
    late = day.job("loader", old)
    assert late.returncode == ExitCode.HELD, late.stderr
    assert day.revenue() == rows
    assert day.head()["run_id"] == json.loads(ended.stdout)["run_id"]


# --- on an emulator of its own --------------------------------------------------------------------------------------


@pytest.fixture
def emulator(day: DemoDay) -> Iterator[EmulatorProcess]:
    """An emulator as a process of its own, that goes on when a chain dies."""
    table = "".join(
        f'[images.penstock-{job}]\nentrypoint = {json.dumps([warm_python(), "-m", job])}\ncwd = "{day.folder}"\n'
        for job in ("exporter", "processor", "loader")
    )
    with emulator_process(day.folder, table, "--slots", "4", "--grace", "2") as running:
        yield running


def executions(emulator: EmulatorProcess) -> dict[str, list[run_v2.Execution]]:
    """By step."""
    with jobs_emulator.executions_client(emulator.address) as client:
        found = list(client.list_executions(parent="projects/local/locations/local/jobs/-"))
    steps = ("exporter", "processor", "loader")
    return {step: [each for each in found if each.labels["penstock-step"] == step] for step in steps}


@contextmanager
def waiting_chain(day: DemoDay, emulator: EmulatorProcess) -> Iterator[subprocess.Popen[str]]:
    """A chain whose tasks wait on the emulator."""
    day.use_transform("wait")
    with day.start("run", *SHORT, RUN_EMULATOR_HOST=emulator.address) as chain:
        wait_until(lambda: len(day.attempts()) == SHARDS or chain.poll() is not None)
        assert chain.poll() is None, chain.communicate()
        yield chain


def test_an_execution_that_outlives_its_chain_is_continued_and_no_second_one_started(
    day: DemoDay, emulator: EmulatorProcess
) -> None:
    with waiting_chain(day, emulator) as chain:
        chain.kill()
        chain.wait()
    assert all(is_alive(pid) for _, _, pid in day.attempts())
    wait_until(day.is_free)
    with day.start("resume", "--json", *SHORT, warm=True, RUN_EMULATOR_HOST=emulator.address) as resumed:
        words = resumed.stderr
        assert words is not None
        wait_until(lambda: "is under way already" in words.readline() or resumed.poll() is not None)
        (day.folder / "go").touch()
        out, err = resumed.communicate()
    assert resumed.returncode == 0, err
    assert json.loads(out)["status"] == "done"
    assert {step: len(found) for step, found in executions(emulator).items()} == dict.fromkeys(executions(emulator), 1)
    assert len({pid for _, _, pid in day.attempts()}) == SHARDS
    assert day.is_right()


@pytest.mark.fault("frozen", step="chain")
def test_a_frozen_chain_does_not_cancel_what_its_successor_waits_for(day: DemoDay, emulator: EmulatorProcess) -> None:
    with waiting_chain(day, emulator) as frozen:
        day.freeze([frozen.pid])
        frozen.send_signal(signal.SIGTERM)  # it would cancel its execution, had it not lost the day meanwhile
        wait_until(day.is_free)
        with day.start("resume", "--json", warm=True, RUN_EMULATOR_HOST=emulator.address) as resumed:
            words = resumed.stderr
            assert words is not None
            wait_until(lambda: "is under way already" in words.readline() or resumed.poll() is not None)
            frozen.send_signal(signal.SIGCONT)
            _, err = frozen.communicate()
            assert frozen.returncode in (ExitCode.HELD, ExitCode.UNAVAILABLE), err
            (day.folder / "go").touch()
            out, told = resumed.communicate()
    assert resumed.returncode == 0, told
    assert json.loads(out)["status"] == "done"
    assert [found[0].cancelled_count for found in executions(emulator).values()] == [0, 0, 0]
    assert {step: len(found) for step, found in executions(emulator).items()} == dict.fromkeys(executions(emulator), 1)
    assert day.is_right()
