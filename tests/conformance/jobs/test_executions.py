"""What every adapter of jobs must do: tasks, attempts, limits, failures in their own words, an end to all processes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from chain.jobs.errors import raise_failure
from chain.jobs.port import ExecutionState
from chain.jobs.wait import wait_execution
from staging.errors import ExitCode, InputError, InterruptedRunError, PenstockError, UnavailableError
from staging.process.cancel import Cancel
from tests.chain.jobs.cloudrun.harness import all_gone, wait_until
from tests.conformance.jobs.conftest import JobsUnderTest

pytestmark = pytest.mark.integration


def test_each_task_runs_once_with_its_overrides_and_cloud_runs_environment(jobs: JobsUnderTest) -> None:
    script = 'note "$CLOUD_RUN_EXECUTION $T of $CLOUD_RUN_TASK_COUNT, $A: $MINE $0 $1"'
    name = jobs.start(script, "--day", "x y", environment={"MINE": "yes"}, task_count=3)
    state = wait_execution(jobs.api, name, Cancel(), lambda state: None)
    assert (state.succeeded, state.failed, state.cancelled, state.running, state.retried) == (3, 0, 0, 0, 0)
    assert state.finished
    assert state.failures == ()
    assert sorted(jobs.notes()) == [f"{name} {task} of 3, 0: yes --day x y" for task in range(3)]


def test_never_more_tasks_at_once_than_parallelism_and_all_of_them_in_the_end(jobs: JobsUnderTest) -> None:
    assert jobs.run("note +; sleep 0.15; note -", task_count=7, parallelism=3).succeeded == 7
    running = most = 0
    for what in jobs.notes():
        running += 1 if what == "+" else -1
        most = max(most, running)
    assert most == 3


def test_a_passing_failure_is_tried_again_and_counted(jobs: JobsUnderTest) -> None:
    script = "note $T $A; case $T$A in 10) exit 20;; 11) kill -9 $$;; esac"
    state = jobs.run(script, task_count=2, max_retries=2)
    assert (state.succeeded, state.retried, state.failures) == (2, 1, ())
    assert sorted(jobs.notes()) == ["0 0", "1 0", "1 1", "1 2"]


def test_one_of_64_fails_for_good_its_error_names_task_attempts_and_log_and_the_others_are_done(
    jobs: JobsUnderTest,
) -> None:
    script = "note $T $A; if [ $T = 37 ]; then echo 'error: Row 7 is odd.' >&2; exit 40; fi"
    state = jobs.run(script, task_count=64, parallelism=8, max_retries=2)
    assert (state.succeeded, state.failed, state.finished) == (63, 1, True)
    assert sorted(jobs.notes()) == sorted([f"{task} 0" for task in range(64)] + ["37 1", "37 2"])
    [failure] = state.failures
    assert (failure.task, failure.attempt, failure.exit_code) == (37, 2, 40)
    with pytest.raises(PenstockError, match=r"processor, task 37 of 64: Row 7 is odd\. \(after 3 attempts\)") as caught:
        raise_failure("processor", state)
    assert caught.value.exit_code == ExitCode.INTEGRITY
    assert f"log: {failure.log}" in caught.value.fix
    assert failure.log


def test_a_failing_jobs_own_words_and_code_come_through_with_its_log(jobs: JobsUnderTest) -> None:
    script = r"""
        echo busy; echo '{"penstock_progress": {"rows": 7, "size_bytes": 70}}'
        printf 'error: The column x is gone.\n  why: Somebody dropped it.\n    ALTER TABLE\n  fix: Put it back.\n'
        exit 10
    """
    state = jobs.run(script, job="exporter")
    assert state.progress.rows == 7
    with pytest.raises(InputError) as caught:
        raise_failure("exporter", state)
    assert caught.value.what == "exporter: The column x is gone."
    assert caught.value.why == "Somebody dropped it.\n    ALTER TABLE"
    assert caught.value.fix == f"Put it back.\n  log: {state.failures[0].log}"


def test_an_attempt_that_takes_too_long_is_ended_with_all_its_children(jobs: JobsUnderTest) -> None:
    state = jobs.run("trap '' TERM; sleep 1000 & note $$ $!; wait; sleep 1000", timeout_seconds=1)
    assert [failure.exit_code for failure in state.failures] == [124]
    with pytest.raises(UnavailableError, match="It took longer than its timeout"):
        raise_failure("processor", state)
    wait_until(lambda: all_gone(jobs.notes()[0].split()))  # killed, and the kernel takes a moment


def test_cancelling_ends_every_process_and_is_no_failure(jobs: JobsUnderTest) -> None:
    script = "if [ $T = 0 ]; then trap '' TERM; fi; sleep 1000 & note $$ $!; wait; sleep 1000"
    name = jobs.start(script, task_count=5, parallelism=2, max_retries=3)
    wait_until(lambda: len(jobs.notes()) == 2)
    jobs.api.cancel_execution(name)
    wait_until(lambda: jobs.api.get_execution(name).finished)  # cancelling waits for that, but not for ever
    state = jobs.api.get_execution(name)
    assert (state.succeeded, state.failed, state.cancelled) == (0, 0, 5)
    wait_until(lambda: _all_gone_of(jobs))
    with pytest.raises(InterruptedRunError, match="cancelled"):
        raise_failure("processor", state)
    jobs.api.cancel_execution(name)  # over: nothing happens


def test_a_request_to_stop_while_waiting_cancels_the_execution_before_the_error_leaves(jobs: JobsUnderTest) -> None:
    cancel = Cancel()
    name = jobs.start("sleep 1000 & note $$ $!; wait", job="loader")

    def stop_soon(state: ExecutionState) -> None:
        if jobs.notes():
            cancel.set()

    with pytest.raises(InterruptedRunError):
        wait_execution(jobs.api, name, cancel, stop_soon)
    wait_until(lambda: jobs.api.get_execution(name).finished)
    wait_until(lambda: _all_gone_of(jobs))


def test_exit_codes_of_signals_are_those_of_a_shell(jobs: JobsUnderTest) -> None:
    state = jobs.run("kill -9 $$")
    assert [failure.exit_code for failure in state.failures] == [137]
    with pytest.raises(UnavailableError) as caught:
        raise_failure("processor", state)
    assert "killed by signal 9" in caught.value.what
    assert "out of memory" in caught.value.fix
    assert caught.value.exit_code == ExitCode.UNAVAILABLE


def test_progress_of_tasks_is_seen_while_they_run_and_added_up(jobs: JobsUnderTest) -> None:
    script = f"""
        echo '{{"penstock_progress": {{"rows": '$((T + 1))', "size_bytes": 10, "note": "waiting"}}}}'
        while ! [ -e {jobs.ledger}.go ]; do sleep 0.02; done
    """
    seen: list[tuple[int, int, str]] = []

    def watch(state: ExecutionState) -> None:
        seen.append((state.progress.rows, state.progress.size_bytes, state.progress.note))
        if seen[-1] == (6, 30, "waiting"):
            Path(f"{jobs.ledger}.go").touch()

    name = jobs.start(script, task_count=3)
    assert wait_execution(jobs.api, name, Cancel(), watch).succeeded == 3
    assert (6, 30, "waiting") in seen


def _all_gone_of(jobs: JobsUnderTest) -> bool:
    """None of the scripts runs, as no other process has the ledger's path among its arguments, and no child of one."""
    if not all_gone(" ".join(jobs.notes()).split()):
        return False
    path = str(jobs.ledger).encode()
    others = (process for process in Path("/proc").glob("[0-9]*") if process.name != str(os.getpid()))
    return not [process for process in others if path in _arguments_of(process)]


def _arguments_of(process: Path) -> bytes:
    for _ in range(3):
        try:
            return (process / "cmdline").read_bytes()
        except OSError:
            time.sleep(0.01)
    return b""
