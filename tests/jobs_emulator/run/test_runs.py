"""Executions as real processes: what they are given, how they end, and what the API then says."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud import run_v2

from tests.jobs_emulator.harness import PARENT, SOON, Cloud, cloud, condition, wait_until

pytestmark = pytest.mark.integration

State = run_v2.Condition.State
Reason = run_v2.Condition.ExecutionReason


@pytest.fixture(scope="module")
def region() -> Iterator[Cloud]:
    with cloud({"python": [sys.executable, "-c"]}, slots=4) as clients:
        yield clients


def test_a_task_gets_cloud_runs_variables_and_a_fresh_folder_and_nothing_of_ours(
    region: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOT_FOR_TASKS", "secret")
    region.create("variables", f"pwd > $TMPDIR/x; echo $TMPDIR > {tmp_path}/tmp-$CLOUD_RUN_TASK_INDEX;"
                  f"env > {tmp_path}/env-$CLOUD_RUN_TASK_INDEX", task_count=2)  # fmt: skip
    execution = region.finish(region.run("variables"))
    assert execution.succeeded_count == 2
    variables = dict(line.split("=", 1) for line in (tmp_path / "env-1").read_text().splitlines())
    assert {name: value for name, value in variables.items() if name.startswith("CLOUD_RUN_")} == {
        "CLOUD_RUN_JOB": "variables",
        "CLOUD_RUN_EXECUTION": execution.name.rpartition("/")[2],
        "CLOUD_RUN_TASK_INDEX": "1",
        "CLOUD_RUN_TASK_COUNT": "2",
        "CLOUD_RUN_TASK_ATTEMPT": "0",
    }
    assert "NOT_FOR_TASKS" not in variables
    assert variables["PATH"] == os.environ["PATH"]
    folders = {(tmp_path / f"tmp-{index}").read_text().strip() for index in (0, 1)}
    assert len(folders) == 2
    wait_until(lambda: not any(Path(folder).exists() for folder in folders), "their folders are gone")


def test_a_success_has_the_counters_and_conditions_of_the_api(region: Cloud) -> None:
    region.create("success", task_count=3)
    execution = region.run("success").result(polling=SOON)
    assert (execution.task_count, execution.succeeded_count, execution.running_count) == (3, 3, 0)
    assert (execution.failed_count, execution.cancelled_count, execution.retried_count) == (0, 0, 0)
    assert (execution.job, execution.parallelism, execution.reconciling) == ("success", 3, False)
    completed = condition(execution, "Completed")
    assert completed.state is State.CONDITION_SUCCEEDED
    assert completed.message.startswith("Execution completed successfully in ")
    assert {c.type_ for c in execution.conditions} == {"Completed", "ResourcesAvailable", "Started", "ContainerReady"}
    assert execution.create_time <= execution.start_time <= execution.completion_time
    assert execution.log_uri
    assert execution.etag
    assert execution.uid
    job = region.jobs.get_job(name=f"{PARENT}/jobs/success")
    assert job.execution_count == 1
    assert job.latest_created_execution.name == execution.name.rpartition("/")[2]
    assert job.latest_created_execution.completion_status.name == "EXECUTION_SUCCEEDED"


def test_a_failing_task_is_retried_and_then_ends_the_execution_with_its_words(region: Cloud) -> None:
    region.create("failing", '[ "$CLOUD_RUN_TASK_INDEX" != 1 ] || exit 7', task_count=3, max_retries=2)
    operation = region.run("failing")
    with pytest.raises(exceptions.Aborted) as caught:
        operation.result(polling=SOON)
    execution = region.execution(operation)
    task_id = execution.name.rpartition("/")[2] + "-task1"
    told = f"Task {task_id} failed with exit code: 7 and message: The container exited with an error."
    assert caught.value.message == told
    assert (execution.succeeded_count, execution.failed_count, execution.retried_count) == (2, 1, 1)
    completed = condition(execution, "Completed")
    assert (completed.state, completed.message) == (State.CONDITION_FAILED, told)
    assert completed.execution_reason is Reason.NON_ZERO_EXIT_CODE
    assert condition(execution, "Retry").reason is run_v2.Condition.CommonReason.IMMEDIATE_RETRY
    task = region.tasks.get_task(name=f"{execution.name}/tasks/{task_id}")
    assert (task.retried, task.last_attempt_result.exit_code, task.last_attempt_result.status.code) == (2, 7, 10)
    assert condition(task, "Completed").state is State.CONDITION_FAILED


def test_a_task_that_succeeds_at_its_third_attempt_has_succeeded(region: Cloud) -> None:
    region.create("third", '[ "$CLOUD_RUN_TASK_ATTEMPT" = 2 ]', task_count=2, max_retries=3)
    execution = region.run("third").result(polling=SOON)
    assert (execution.succeeded_count, execution.failed_count, execution.retried_count) == (2, 0, 2)
    assert [task.retried for task in region.tasks_of(execution)] == [2, 2]


def test_a_timeout_is_sigterm_to_the_whole_group_and_a_deadline_exceeded(region: Cloud, tmp_path: Path) -> None:
    script = f"trap 'echo term >> {tmp_path}/parent; exit 0' TERM; sleep 100 & echo $! > {tmp_path}/child; wait"
    region.create("slow", script, timeout={"seconds": 1})
    operation = region.run("slow")
    with pytest.raises(exceptions.DeadlineExceeded, match="The configured timeout was reached"):
        operation.result(polling=SOON)
    assert (tmp_path / "parent").read_text() == "term\n"
    child = Path("/proc") / (tmp_path / "child").read_text().strip() / "exe"
    wait_until(lambda: not child.exists(), "its child has ended, too")
    [task] = region.tasks_of(region.execution(operation))
    assert task.last_attempt_result.status.code == 4


def test_a_task_that_ignores_sigterm_is_killed_after_the_grace(region: Cloud) -> None:
    region.create("deaf", "trap '' TERM; while :; do sleep 0.05; done", timeout={"seconds": 1})
    execution = region.finish(region.run("deaf"))
    [task] = region.tasks_of(execution)
    assert (task.last_attempt_result.term_signal, task.last_attempt_result.status.code) == (signal.SIGKILL, 4)


def test_a_cancelled_execution_ends_with_a_response_and_its_tasks_are_cancelled(region: Cloud) -> None:
    region.create("endless", "sleep 100", task_count=5, parallelism=2)
    operation = region.run("endless")
    wait_until(lambda: region.execution(operation).running_count == 2, "two tasks run")
    cancelled = region.executions.cancel_execution(name=operation.metadata.name).result(polling=SOON)
    assert cancelled.cancelled_count == 5
    execution = operation.result(polling=SOON)
    completed = condition(execution, "Completed")
    assert (completed.state, completed.execution_reason) == (State.CONDITION_FAILED, Reason.CANCELLED)
    tasks = region.tasks_of(execution)
    assert {condition(task, "Completed").execution_reason for task in tasks} == {Reason.CANCELLED}
    assert all(task.completion_time for task in tasks)
    with pytest.raises(exceptions.FailedPrecondition, match="already finished"):
        region.executions.cancel_execution(name=execution.name)
    job = region.jobs.get_job(name=f"{PARENT}/jobs/endless")
    assert job.latest_created_execution.completion_status.name == "EXECUTION_CANCELLED"


def test_what_a_task_left_running_in_its_group_ends_with_it(region: Cloud, tmp_path: Path) -> None:
    # the second task lasts until the child of the first is gone: that one ends with its task, not with the execution
    leave = f"sleep 100 & echo $! > {tmp_path}/left; exit 0"
    watch = f"while [ ! -s {tmp_path}/left ] || [ -e /proc/$(cat {tmp_path}/left)/exe ]; do sleep 0.05; done"
    script = f"if [ $CLOUD_RUN_TASK_INDEX = 0 ]; then {leave}; fi; {watch}"
    region.create("leaving", script, task_count=2, timeout={"seconds": 10})
    assert region.run("leaving").result(polling=SOON).succeeded_count == 2


def test_what_a_task_left_running_in_another_session_ends_with_the_execution(region: Cloud, tmp_path: Path) -> None:
    daemon = f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 100'"
    region.create("daemon", f"{daemon} & while [ ! -s {tmp_path}/pid ]; do sleep 0.02; done")
    assert region.run("daemon").result(polling=SOON).succeeded_count == 1
    daemon_process = Path("/proc") / (tmp_path / "pid").read_text().strip() / "exe"
    wait_until(lambda: not daemon_process.exists(), "the daemon has ended")


def test_a_task_over_its_memory_is_killed_with_signal_9(region: Cloud) -> None:
    limits = {"resources": {"limits": {"memory": "64Mi"}}}
    hungry = "import time; x = bytearray(200 << 20); time.sleep(60)"
    region.create("hungry", container={"image": "python", "args": [hungry], **limits})
    operation = region.run("hungry")
    with pytest.raises(exceptions.Aborted, match="Memory limit of 64 MiB exceeded"):
        operation.result(polling=SOON)
    [task] = region.tasks_of(region.execution(operation))
    assert task.last_attempt_result.term_signal == signal.SIGKILL
    assert task.last_attempt_result.exit_code == 0


def test_the_memory_of_a_child_counts(region: Cloud) -> None:
    limits = {"resources": {"limits": {"memory": "64Mi"}}}
    hungry = "import time; x = bytearray(200 << 20); time.sleep(60)"
    script = f"{sys.executable} -c '{hungry}' & wait"
    region.create("hungry-child", container={"image": "sh", "args": [script], **limits})
    with pytest.raises(exceptions.Aborted, match="Memory limit of 64 MiB exceeded"):
        region.run("hungry-child").result(polling=SOON)


def test_a_death_by_signal_is_told_as_one(region: Cloud) -> None:
    region.create("crash", "kill -SEGV $$")
    [task] = region.tasks_of(region.finish(region.run("crash")))
    assert (task.last_attempt_result.term_signal, task.last_attempt_result.exit_code) == (signal.SIGSEGV, 0)


def test_a_program_that_is_not_there_fails_the_task_and_says_so(region: Cloud) -> None:
    region.create("gone", container={"image": "gone"})
    with pytest.raises(exceptions.Aborted, match=r"failed to start: .*No such file"):
        region.run("gone").result(polling=SOON)


def test_never_more_tasks_run_at_once_than_parallelism_says(region: Cloud, tmp_path: Path) -> None:
    script = f"touch {tmp_path}/run-$CLOUD_RUN_TASK_INDEX; ls {tmp_path} | grep -c run- > {tmp_path}/seen-$CLOUD_RUN_TASK_INDEX; sleep 0.1; rm {tmp_path}/run-$CLOUD_RUN_TASK_INDEX"  # noqa: E501
    region.create("pair", script, task_count=8, parallelism=2)
    assert region.run("pair").result(polling=SOON).succeeded_count == 8
    seen = [int((tmp_path / f"seen-{index}").read_text()) for index in range(8)]
    assert max(seen) == 2


def test_an_execution_waiting_behind_another_gets_its_turn_before_that_ends(region: Cloud) -> None:
    region.create("long", "sleep 0.1", task_count=60)
    region.create("short", task_count=1)
    long = region.run("long")
    assert region.run("short").result(polling=SOON).succeeded_count == 1
    assert region.execution(long).succeeded_count < 60
    region.executions.cancel_execution(name=long.metadata.name).result(polling=SOON)


def test_overrides_change_one_execution_and_not_the_job(region: Cloud, tmp_path: Path) -> None:
    region.create("plain", f"echo $WHO >> {tmp_path}/out", task_count=1)
    override = {"env": [{"name": "WHO", "value": "me"}]}
    execution = region.run("plain", container_overrides=[override], task_count=3, timeout={"seconds": 77}).result(
        polling=SOON
    )
    assert (tmp_path / "out").read_text() == "me\n" * 3
    assert (execution.task_count, execution.parallelism, execution.template.timeout.seconds) == (3, 3, 77)
    job = region.jobs.get_job(name=f"{PARENT}/jobs/plain")
    assert (job.template.task_count, job.template.template.timeout.seconds) == (1, 600)


def test_a_token_names_the_execution_and_starts_it_once(region: Cloud, tmp_path: Path) -> None:
    job = region.create("named", f"echo once >> {tmp_path}/out")
    job.run_execution_token = "night-1"
    for _ in range(2):
        updated = region.jobs.update_job(job=job).result(polling=SOON)
        assert updated.latest_created_execution.name == "named-night-1"
        assert updated.latest_created_execution.completion_status.name == "EXECUTION_SUCCEEDED"
    assert (tmp_path / "out").read_text() == "once\n"
    [execution] = region.executions.list_executions(parent=f"{PARENT}/jobs/named")
    assert execution.name.endswith("/executions/named-night-1")


def test_a_run_token_of_an_execution_that_fails_is_the_error_of_the_write(region: Cloud) -> None:
    job = region.create("fails", "exit 3")
    job.run_execution_token = "a"
    with pytest.raises(exceptions.Aborted, match="Task fails-a-task0 failed with exit code: 3"):
        region.jobs.update_job(job=job).result(polling=SOON)


def test_a_deleted_job_takes_its_running_execution_along(region: Cloud, tmp_path: Path) -> None:
    region.create("doomed", f"echo $$ > {tmp_path}/pid; exec sleep 100")
    operation = region.run("doomed")
    pid = wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip(), "it runs")
    region.jobs.delete_job(name=f"{PARENT}/jobs/doomed").result(polling=SOON)
    wait_until(lambda: not Path(f"/proc/{pid}/exe").exists(), "the process has ended")
    with pytest.raises(exceptions.NotFound):
        region.executions.get_execution(name=operation.metadata.name)
    deleted = region.jobs.list_jobs(request={"parent": PARENT, "show_deleted": True})
    [job] = [job for job in deleted if job.name.endswith("/doomed")]
    assert job.delete_time.timestamp() > 0
    assert job.expire_time > job.delete_time


def test_a_thousand_tasks_are_listed_page_by_page_while_they_run(region: Cloud) -> None:
    region.create("many", task_count=1000)
    operation = region.run("many")
    pager = region.tasks.list_tasks(request={"parent": operation.metadata.name, "page_size": 300})
    pages = [[task.index for task in page.tasks] for page in pager.pages]
    assert [len(page) for page in pages] == [300, 300, 300, 100]
    assert [index for page in pages for index in page] == list(range(1000))
    assert region.finish(operation).succeeded_count == 1000
