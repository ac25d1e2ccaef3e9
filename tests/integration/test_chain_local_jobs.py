"""Real processes: attempts, retries, limits, logs, and that no process is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from chain.job_errors import raise_failure
from chain.jobs import ExecutionState, JobName, Overrides
from chain.local_jobs import LocalJobs
from chain.wait_execution import wait_execution
from staging.cancel import Cancel
from staging.errors import (
    ExitCode,
    HeldError,
    InputError,
    InterruptedRunError,
    PenstockError,
    UnavailableError,
)

ENVIRONMENT = {"PATH": os.environ["PATH"]}


class Scripts:
    """Runs a Python text as the job; each attempt appends a line to a file that the test reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "ledger"
        self.ledger.touch()

    def command(self, text: str) -> Callable[[JobName], Sequence[str]]:
        script = self.folder / "job.py"
        script.write_text(
            "import os, sys, time, json, signal\n"
            f"LEDGER = {str(self.ledger)!r}\n"
            "def note(*what):\n"
            "    with open(LEDGER, 'a') as ledger: ledger.write(json.dumps(what) + '\\n')\n"
            "TASK = int(os.environ['CLOUD_RUN_TASK_INDEX']); ATTEMPT = int(os.environ['CLOUD_RUN_TASK_ATTEMPT'])\n"
            + textwrap.dedent(text)
        )
        return lambda job: (sys.executable, "-I", str(script), job)

    def notes(self) -> list[list[object]]:
        return [json.loads(line) for line in self.ledger.read_text().splitlines()]


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    return Scripts(tmp_path)


def run(jobs: LocalJobs, overrides: Overrides, job: JobName = "processor") -> ExecutionState:
    return wait_execution(jobs, jobs.start_execution(job, "r", overrides).execution, Cancel(), lambda state: None)


def test_each_task_runs_once_with_cloud_runs_environment_and_a_log_of_its_own(scripts: Scripts) -> None:
    jobs = LocalJobs(
        scripts.folder / "logs",
        command=scripts.command("""
            names = ('JOB', 'EXECUTION', 'TASK_INDEX', 'TASK_COUNT', 'TASK_ATTEMPT')
            told = [os.environ['CLOUD_RUN_' + name] for name in names]
            note(*told, sys.argv[1:], os.environ['MINE'], 'HOME' in os.environ)
            print('out', TASK); print('err', TASK, file=sys.stderr)
        """),
    )
    name = jobs.start_execution(
        "processor", "r", Overrides(arguments=("--day", "x"), environment=ENVIRONMENT | {"MINE": "yes"}, task_count=3)
    ).execution
    state = wait_execution(jobs, name, Cancel(), lambda state: None)
    assert (state.succeeded, state.failed, state.cancelled, state.running, state.retried) == (3, 0, 0, 0, 0)
    assert sorted(scripts.notes()) == [
        ["processor", name, str(task), "3", "0", ["processor", "--day", "x"], "yes", False] for task in range(3)
    ]
    logs = sorted((scripts.folder / "logs").iterdir())
    assert [log.name for log in logs] == [f"{name}-task{task}-attempt0.log" for task in range(3)]
    assert "out 1" in logs[1].read_text()
    assert "err 1" in logs[1].read_text()


def test_never_more_tasks_at_once_than_parallelism_and_all_of_them_in_the_end(scripts: Scripts) -> None:
    jobs = LocalJobs(scripts.folder / "logs", command=scripts.command("note('+'); time.sleep(0.15); note('-')"), cpus=8)
    state = run(jobs, Overrides(arguments=(), environment=ENVIRONMENT, task_count=7, parallelism=3))
    assert state.succeeded == 7
    running = most = 0
    for (what,) in scripts.notes():
        running += 1 if what == "+" else -1
        most = max(most, running)
    assert most == 3


def test_a_passing_failure_is_tried_again_and_counted(scripts: Scripts) -> None:
    jobs = LocalJobs(
        scripts.folder / "logs",
        command=scripts.command("""
            note(TASK, ATTEMPT)
            if TASK == 1 and ATTEMPT == 0: sys.exit(20)
            if TASK == 1 and ATTEMPT == 1: os.kill(os.getpid(), signal.SIGKILL)
        """),
    )
    state = run(jobs, Overrides(arguments=(), environment=ENVIRONMENT, task_count=2, max_retries=2))
    assert (state.succeeded, state.retried, state.failures) == (2, 2, ())
    assert sorted(scripts.notes()) == [[0, 0], [1, 0], [1, 1], [1, 2]]


@pytest.mark.parametrize("code", [2, 10, 30, 40])
def test_a_permanent_failure_is_not_tried_again_and_nothing_new_begins(scripts: Scripts, code: int) -> None:
    jobs = LocalJobs(scripts.folder / "logs", command=scripts.command(f"note(TASK); sys.exit({code})"))
    state = run(jobs, Overrides(arguments=(), environment=ENVIRONMENT, task_count=9, parallelism=1, max_retries=3))
    assert scripts.notes() == [[0]]
    assert (state.failed, state.succeeded, state.cancelled) == (1, 0, 8)
    with pytest.raises(PenstockError) as caught:
        raise_failure("processor", state)
    assert caught.value.exit_code == code


def test_a_failing_jobs_own_words_and_code_come_through_with_its_log(scripts: Scripts) -> None:
    jobs = LocalJobs(
        scripts.folder / "logs",
        command=scripts.command("""
            print('busy'); print('{"penstock_progress": {"rows": 7, "size_bytes": 70}}')
            print('error: The column x is gone.\\n  why: Somebody dropped it.\\n    ALTER TABLE\\n  fix: Put it back.')
            sys.exit(10)
        """),
    )
    state = run(jobs, Overrides(arguments=(), environment=ENVIRONMENT, max_retries=3), job="exporter")
    assert state.progress.rows == 7
    with pytest.raises(InputError) as caught:
        raise_failure("exporter", state)
    assert caught.value.what == "exporter: The column x is gone."
    assert caught.value.why == "Somebody dropped it.\n    ALTER TABLE"
    assert caught.value.fix == f"Put it back.\n  log: {state.failures[0].log}"


def test_of_several_failures_the_gravest_is_told(scripts: Scripts) -> None:
    jobs = LocalJobs(
        scripts.folder / "logs",
        command=scripts.command("time.sleep(0.3); print('error: code', TASK); sys.exit([20, 30, 10][TASK])"),
        cpus=3,
    )
    state = run(jobs, Overrides(arguments=(), environment=ENVIRONMENT, task_count=3))
    assert state.failed == 3
    with pytest.raises(HeldError, match="processor, task 1 of 3: code 1"):
        raise_failure("processor", state)


def test_an_attempt_that_takes_too_long_is_ended_with_all_its_children(scripts: Scripts) -> None:
    jobs = LocalJobs(
        scripts.folder / "logs",
        command=scripts.command("""
            import subprocess
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            child = subprocess.Popen(['sleep', '1000'])
            note(os.getpid(), child.pid)
            time.sleep(1000)
        """),
    )
    state = run(jobs, Overrides(arguments=(), environment=ENVIRONMENT, timeout_seconds=1))
    with pytest.raises(UnavailableError, match="It took longer than its timeout"):
        raise_failure("processor", state)
    assert all_gone(scripts.notes()[0])


def test_children_that_a_finished_attempt_left_behind_are_ended(scripts: Scripts) -> None:
    jobs = LocalJobs(
        scripts.folder / "logs",
        command=scripts.command("import subprocess; note(subprocess.Popen(['sleep', '1000']).pid)"),
    )
    assert run(jobs, Overrides(arguments=(), environment=ENVIRONMENT)).succeeded == 1
    assert all_gone(scripts.notes()[0])


def test_cancelling_ends_every_process_and_is_no_failure(scripts: Scripts) -> None:
    jobs = LocalJobs(
        scripts.folder / "logs",
        command=scripts.command("""
            if TASK == 0: signal.signal(signal.SIGTERM, signal.SIG_IGN)
            note(os.getpid()); time.sleep(1000)
        """),
        cpus=2,
    )
    name = jobs.start_execution(
        "processor", "r", Overrides(arguments=(), environment=ENVIRONMENT, task_count=5, max_retries=3)
    ).execution
    wait_until(lambda: len(scripts.notes()) == 2)
    jobs.cancel_execution(name)
    state = jobs.get_execution(name)
    assert state.finished
    assert (state.succeeded, state.failed, state.cancelled) == (0, 0, 5)
    assert all_gone([pid for (pid,) in scripts.notes()])
    with pytest.raises(InterruptedRunError):
        raise_failure("processor", state)
    jobs.cancel_execution(name)  # over: nothing happens


def test_a_request_to_stop_while_waiting_cancels_the_execution_first(scripts: Scripts) -> None:
    jobs = LocalJobs(scripts.folder / "logs", command=scripts.command("note(os.getpid()); time.sleep(1000)"))
    cancel = Cancel()
    name = jobs.start_execution("loader", "r", Overrides(arguments=(), environment=ENVIRONMENT)).execution

    def stop_soon(state: ExecutionState) -> None:
        if scripts.notes():
            cancel.set()

    with pytest.raises(InterruptedRunError):
        wait_execution(jobs, name, cancel, stop_soon)
    assert jobs.get_execution(name).finished
    assert all_gone([pid for (pid,) in scripts.notes()])


def test_a_program_that_cannot_be_started_is_a_failure_like_any_other(tmp_path: Path) -> None:
    jobs = LocalJobs(tmp_path / "logs", command=lambda job: ("/nonexistent/program",))
    state = run(jobs, Overrides(arguments=(), environment=ENVIRONMENT))
    with pytest.raises(UnavailableError, match="The process could not be started: No such file"):
        raise_failure("processor", state)


def test_logs_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    jobs = LocalJobs(tmp_path / "file" / "logs", command=lambda job: ("true",))
    with pytest.raises(UnavailableError, match="can't be written") as caught:
        jobs.start_execution("loader", "r", Overrides(arguments=()))
    assert "--logs" in caught.value.fix


STARTER = """\
import os, sys, time
from pathlib import Path
from chain.jobs import Overrides
from chain.local_jobs import LocalJobs
jobs = LocalJobs(Path(sys.argv[1]) / "logs", command=lambda job: (sys.executable, "-m", "chain.attached", "orphan_job"))
jobs.start_execution("processor", "r", Overrides(arguments=(sys.argv[1],), environment=dict(os.environ), task_count=2))
time.sleep(1000)
"""
JOB = """\
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "1000"])
with open(sys.argv[1] + "/pids", "a") as pids: pids.write(f"{os.getpid()} {child.pid}\\n")
time.sleep(1000)
"""


def test_no_job_outlives_a_starter_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "orphan_job.py").write_text(JOB)
    (tmp_path / "pids").touch()
    environment = dict(os.environ) | {"PYTHONPATH": str(tmp_path)}
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)], env=environment)
    try:
        wait_until(lambda: len((tmp_path / "pids").read_text().splitlines()) == 2)
    finally:
        starter.send_signal(signal.SIGKILL)
        starter.wait()
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 4
    wait_until(lambda: all_gone(pids))


def test_exit_codes_of_signals_are_those_of_a_shell(scripts: Scripts) -> None:
    jobs = LocalJobs(scripts.folder / "logs", command=scripts.command("os.kill(os.getpid(), signal.SIGKILL)"), cpus=1)
    state = run(jobs, Overrides(arguments=(), environment=ENVIRONMENT))
    assert state.failures[0].exit_code == 137
    with pytest.raises(UnavailableError) as caught:
        raise_failure("processor", state)
    assert "killed by signal 9" in caught.value.what
    assert "out of memory" in caught.value.fix
    assert caught.value.exit_code == ExitCode.UNAVAILABLE


def all_gone(pids: Sequence[object]) -> bool:
    return not [pid for pid in pids if _is_alive(int(str(pid)))]


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(600):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("it never came true")
