"""With --data, state outlives the emulator: stopped in order or killed, executions are resumed and never lost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.longrunning import operations_pb2

from tests.jobs_emulator.harness import PARENT, SOON, Cloud, cloud, condition, wait_until

pytestmark = pytest.mark.integration


@contextmanager
def served(tmp_path: Path, *options: str) -> Iterator[tuple[Cloud, subprocess.Popen[str]]]:
    """The command itself, as a process of its own with state in a folder."""
    images = tmp_path / "images.toml"
    images.write_text('[images.sh]\nentrypoint = ["/bin/sh", "-c"]\n[images.true]\nentrypoint = ["/bin/true"]\n')
    command = [sys.executable, "-m", "jobs_emulator", "serve", "--images", str(images), "--port", "0", "--quiet"]
    process = subprocess.Popen(
        [*command, "--data", str(tmp_path / "data"), *options], stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        match = re.search(r"127\.0\.0\.1:\d+", process.stderr.readline())
        assert match is not None
        clients = Cloud(match[0])
        yield clients, process
        clients.close()
    finally:
        process.terminate()
        process.wait(timeout=20)
        assert process.stderr is not None
        process.stderr.close()


def processes_below(folder: Path) -> list[str]:
    marker = f"TMPDIR={folder}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if marker in (entry / "environ").read_bytes():
                found.append(entry.name)
        except OSError:
            continue
    return found


def test_an_execution_running_when_the_emulator_is_killed_is_resumed(tmp_path: Path) -> None:
    script = (
        f"echo $CLOUD_RUN_TASK_INDEX.$CLOUD_RUN_TASK_ATTEMPT >> {tmp_path}/starts; [ -e {tmp_path}/go ] || sleep 100"
    )
    with served(tmp_path, "--slots", "2") as (before, process):
        before.create("night", script, task_count=4, max_retries=1)
        (tmp_path / "go").touch()
        done = before.run("night").result(polling=SOON)
        (tmp_path / "go").unlink()
        (tmp_path / "starts").unlink()
        operation = before.run("night")
        wait_until(lambda: before.execution(operation).running_count == 2, "two tasks run")
        wait_until(lambda: len(processes_below(tmp_path / "data")) >= 2, "their processes are there")
        wait_until(lambda: len((tmp_path / "starts").read_text().split()) == 2, "they have begun")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert processes_below(tmp_path / "data")
    (tmp_path / "go").touch()
    with served(tmp_path, "--slots", "2") as (after, _):
        assert after.jobs.get_job(name=f"{PARENT}/jobs/night").execution_count == 2
        request = operations_pb2.GetOperationRequest(name=operation.operation.name)
        wait_until(lambda: after.jobs.get_operation(request).done, "the operation of before is done")
        execution = after.executions.get_execution(name=operation.metadata.name)
        assert (execution.succeeded_count, execution.failed_count, execution.retried_count) == (4, 0, 2)
        assert after.executions.get_execution(name=done.name) == done
    # the two that ran were ended and started again, the two that waited were started once
    assert sorted((tmp_path / "starts").read_text().split()) == ["0.0", "0.1", "1.0", "1.1", "2.0", "3.0"]
    assert processes_below(tmp_path / "data") == []


def test_a_task_without_retries_that_was_running_has_failed_and_says_why(tmp_path: Path) -> None:
    with cloud(data=tmp_path / "data") as before:
        before.create("once", "sleep 100", max_retries=0)
        operation = before.run("once")
        wait_until(lambda: before.execution(operation).running_count, "it runs")
    with cloud(data=tmp_path / "data") as after:
        execution = after.executions.get_execution(name=operation.metadata.name)
        assert execution.failed_count == 1
        assert "lost when the emulator restarted" in condition(execution, "Completed").message
        assert (
            after.jobs.get_operation(operations_pb2.GetOperationRequest(name=operation.operation.name)).error.code == 14
        )


def test_what_was_deleted_stays_deleted_and_a_wait_of_before_goes_on(tmp_path: Path) -> None:
    with cloud(data=tmp_path / "data", chaos={"never_start": True}) as before:
        before.create("kept")
        before.create("deleted")
        waiting = before.run("kept")
        gone = before.run("kept")
        before.executions.delete_execution(name=gone.metadata.name).result(polling=SOON)
        before.jobs.delete_job(name=f"{PARENT}/jobs/deleted").result(polling=SOON)
    with cloud(data=tmp_path / "data") as after:
        assert [job.name for job in after.jobs.list_jobs(parent=PARENT)] == [f"{PARENT}/jobs/kept"]
        [execution] = after.executions.list_executions(parent=f"{PARENT}/jobs/kept")
        assert execution.name == waiting.metadata.name
        name = waiting.operation.name
        wait_until(lambda: after.jobs.get_operation(operations_pb2.GetOperationRequest(name=name)).done, "it runs now")
        with pytest.raises(exceptions.NotFound):
            after.executions.get_execution(name=gone.metadata.name)


def test_a_cancel_that_was_under_way_is_not_forgotten(tmp_path: Path) -> None:
    with served(tmp_path) as (before, process):
        before.create("deaf", "trap '' TERM; while :; do sleep 0.1; done", max_retries=3)
        operation = before.run("deaf")
        wait_until(lambda: before.execution(operation).running_count, "it runs")
        before.executions.cancel_execution(name=operation.metadata.name)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with served(tmp_path) as (after, _):
        execution = after.executions.get_execution(name=operation.metadata.name)
        assert (execution.cancelled_count, execution.reconciling) == (1, False)


def test_an_image_that_is_gone_after_the_restart_fails_its_execution_by_name(tmp_path: Path) -> None:
    with cloud({"old": ["/bin/true"]}, data=tmp_path / "data", chaos={"never_start": True}) as before:
        before.create("job", container={"image": "old"})
        operation = before.run("job")
    with cloud(data=tmp_path / "data") as after:
        execution = after.executions.get_execution(name=operation.metadata.name)
        assert "Image 'old' not found" in condition(execution, "Completed").message


def test_a_second_emulator_on_the_folder_is_refused(tmp_path: Path) -> None:
    with served(tmp_path):
        command = [
            sys.executable,
            "-m",
            "jobs_emulator",
            "serve",
            "--images",
            str(tmp_path / "images.toml"),
            "--port",
            "0",
        ]
        second = subprocess.run(
            [*command, "--data", str(tmp_path / "data")], capture_output=True, text=True, check=False
        )
    assert second.returncode == 10
    assert "Another emulator uses" in second.stderr


def test_logs_are_there_after_a_restart(tmp_path: Path) -> None:
    with cloud(data=tmp_path / "data") as before:
        before.create("talk", "echo hello")
        execution = before.run("talk").result(polling=SOON)
    with cloud(data=tmp_path / "data") as after:
        command = [sys.executable, "-m", "jobs_emulator", "logs", execution.name, "--address", after.address]
        told = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
    assert told.stdout == "hello\n"
