"""Jobs on this machine, by the emulator: attempts, retries, limits, logs, and that no process is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from chain.jobs.cloudrun.jobs import CloudRunJobs
from chain.jobs.errors import raise_failure
from chain.jobs.local.jobs import open_emulated_jobs
from chain.jobs.port import ExecutionState, JobName, Overrides
from chain.jobs.wait import wait_execution
from staging.errors import ExitCode, HeldError, InputError, InterruptedRunError, PenstockError, UnavailableError
from staging.process.cancel import Cancel
from tests.chain.jobs.cloudrun.harness import a_pipeline, all_gone, wait_until

pytestmark = pytest.mark.integration

ENVIRONMENT = {"PATH": os.environ["PATH"]}
JOBS: tuple[JobName, ...] = ("exporter", "processor", "loader")
PRELUDE = """\
import os, sys, time, json, signal
def note(*what):
    with open(os.environ['LEDGER'], 'a') as ledger: ledger.write(json.dumps(what) + '\\n')
TASK = int(os.environ['CLOUD_RUN_TASK_INDEX']); ATTEMPT = int(os.environ['CLOUD_RUN_TASK_ATTEMPT'])
"""


class Scripts:
    """Runs a Python text as the job; each attempt appends a line to a file that the test reads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "ledger"
        self.ledger.touch()

    def command(self, text: str) -> Callable[[JobName], Sequence[str]]:
        script = self.folder / "job.py"
        script.write_text(PRELUDE + textwrap.dedent(text))
        return lambda job: (sys.executable, "-I", str(script), job)

    @contextmanager
    def jobs(self, text: str, *, parallelism: int = 3, **environment: str) -> Iterator[CloudRunJobs]:
        environments = {job: {**ENVIRONMENT, "LEDGER": str(self.ledger), **environment} for job in JOBS}
        pipeline = a_pipeline(self.folder, f"[process]\nparallelism = {parallelism}\n")
        with open_emulated_jobs(
            pipeline, environments, self.folder / "logs", Cancel(), command=self.command(text)
        ) as jobs:
            yield jobs

    def run(self, text: str, overrides: Overrides | None = None, job: JobName = "processor") -> ExecutionState:
        with self.jobs(text) as jobs:
            started = jobs.start_execution(job, "r", overrides or Overrides(arguments=()))
            assert not started.continued
            return wait_execution(jobs, started.execution, Cancel(), lambda state: None)

    def notes(self) -> list[list[object]]:
        return [json.loads(line) for line in self.ledger.read_text().splitlines()]


@pytest.fixture
def scripts(tmp_path: Path) -> Scripts:
    return Scripts(tmp_path)


def test_each_task_runs_once_with_cloud_runs_environment_and_a_log_of_its_own(scripts: Scripts) -> None:
    text = """
        names = ('JOB', 'EXECUTION', 'TASK_INDEX', 'TASK_COUNT', 'TASK_ATTEMPT')
        told = [os.environ['CLOUD_RUN_' + name] for name in names]
        note(*told, sys.argv[1:], os.environ['MINE'], os.environ['SECRET'])
        print('out', TASK); print('err', TASK, file=sys.stderr)
    """
    with scripts.jobs(text, SECRET="p@ss") as jobs:
        overrides = Overrides(arguments=("--day", "x"), environment={"MINE": "yes"}, task_count=3)
        name = jobs.start_execution("processor", "r", overrides).execution
        state = wait_execution(jobs, name, Cancel(), lambda state: None)
    assert (state.succeeded, state.failed, state.cancelled, state.running, state.retried) == (3, 0, 0, 0, 0)
    assert sorted(scripts.notes()) == [
        ["processor", name, str(task), "3", "0", ["processor", "--day", "x"], "yes", "p@ss"] for task in range(3)
    ]
    logs = sorted(Path(state.logs).rglob("*.log"))
    assert [log.parent.name + "/" + log.name for log in logs] == [f"{name}/task{i}-attempt0.log" for i in range(3)]
    assert "out 1" in logs[1].read_text()
    assert "err 1" in logs[1].read_text()


def test_a_jobs_own_environment_is_not_shown_by_the_api(scripts: Scripts) -> None:
    with scripts.jobs("", SECRET="p@ss") as jobs:
        name = jobs.start_execution("loader", "r", Overrides(arguments=())).execution
        wait_execution(jobs, name, Cancel(), lambda state: None)
        shown = [str(jobs._clients.jobs.get_job(name=jobs._place.job("loader"))), str(jobs._get(jobs._names[name]))]
    assert all("SECRET" not in text and "p@ss" not in text for text in shown)


def test_never_more_tasks_at_once_than_parallelism_and_all_of_them_in_the_end(scripts: Scripts) -> None:
    overrides = Overrides(arguments=(), task_count=7, parallelism=3)
    assert scripts.run("note('+'); time.sleep(0.15); note('-')", overrides).succeeded == 7
    running = most = 0
    for (what,) in scripts.notes():
        running += 1 if what == "+" else -1
        most = max(most, running)
    assert most == 3


def test_a_passing_failure_is_tried_again_and_counted(scripts: Scripts) -> None:
    text = """
        note(TASK, ATTEMPT)
        if TASK == 1 and ATTEMPT == 0: sys.exit(20)
        if TASK == 1 and ATTEMPT == 1: os.kill(os.getpid(), signal.SIGKILL)
    """
    state = scripts.run(text, Overrides(arguments=(), task_count=2, max_retries=2))
    assert (state.succeeded, state.retried, state.failures) == (2, 1, ())
    assert sorted(scripts.notes()) == [[0, 0], [1, 0], [1, 1], [1, 2]]


@pytest.mark.parametrize("code", [2, 10, 30, 40])
def test_a_failure_that_no_attempt_would_change_ends_the_execution_early(scripts: Scripts, code: int) -> None:
    text = f"note(TASK, ATTEMPT); time.sleep(0 if ATTEMPT == 0 else 100); sys.exit({code})"
    state = scripts.run(text, Overrides(arguments=(), task_count=900, parallelism=3, max_retries=10))
    assert len(scripts.notes()) <= 12
    with pytest.raises(PenstockError) as caught:
        raise_failure("processor", state)
    assert caught.value.exit_code == code
    assert all_gone_of(scripts)


def test_one_task_of_many_fails_for_good_and_the_work_of_the_others_is_kept(scripts: Scripts) -> None:
    state = scripts.run(
        """
        if TASK == 5: print('error: Row 7 is odd.'); sys.exit(10)
        note(TASK)
        """,
        Overrides(arguments=(), task_count=64, max_retries=1),
    )
    assert sorted(scripts.notes()) == [[task] for task in range(64) if task != 5]
    assert (state.succeeded, state.failed) == (63, 1)
    with pytest.raises(InputError) as caught:
        raise_failure("processor", state)
    assert caught.value.what == "processor, task 5 of 64: Row 7 is odd. (after 2 attempts)"
    log = Path(caught.value.fix.rpartition("log: ")[2])
    assert log.name == "task5-attempt1.log"
    assert log.read_text() == "error: Row 7 is odd.\n"


def test_a_failing_jobs_own_words_and_code_come_through_with_its_log(scripts: Scripts) -> None:
    state = scripts.run(
        """
        print('busy'); print('{"penstock_progress": {"rows": 7, "size_bytes": 70}}')
        print('error: The column x is gone.\\n  why: Somebody dropped it.\\n    ALTER TABLE\\n  fix: Put it back.')
        sys.exit(10)
        """,
        job="exporter",
    )
    assert state.progress.rows == 7
    with pytest.raises(InputError) as caught:
        raise_failure("exporter", state)
    assert caught.value.what == "exporter: The column x is gone."
    assert caught.value.why == "Somebody dropped it.\n    ALTER TABLE"
    assert caught.value.fix == f"Put it back.\n  log: {state.failures[0].log}"


def test_of_several_failures_the_gravest_is_told(scripts: Scripts) -> None:
    text = "time.sleep(0.3); print('error: code', TASK); sys.exit([20, 30, 10, 1][TASK])"
    state = scripts.run(text, Overrides(arguments=(), task_count=4))
    with pytest.raises(HeldError, match="processor, task 1 of 4: code 1"):
        raise_failure("processor", state)


def test_an_attempt_that_takes_too_long_is_ended_with_all_its_children(scripts: Scripts) -> None:
    state = scripts.run(
        """
        import subprocess
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen(['sleep', '1000'])
        note(os.getpid(), child.pid)
        time.sleep(1000)
        """,
        Overrides(arguments=(), timeout_seconds=1),
    )
    assert state.failures[0].exit_code == 124
    with pytest.raises(UnavailableError, match="It took longer than its timeout"):
        raise_failure("processor", state)
    assert all_gone(scripts.notes()[0])


def test_children_that_a_finished_attempt_left_behind_are_ended(scripts: Scripts) -> None:
    assert scripts.run("import subprocess; note(subprocess.Popen(['sleep', '1000']).pid)").succeeded == 1
    assert all_gone(scripts.notes()[0])


def test_cancelling_ends_every_process_and_is_no_failure(scripts: Scripts) -> None:
    text = """
        if TASK == 0: signal.signal(signal.SIGTERM, signal.SIG_IGN)
        note(os.getpid()); time.sleep(1000)
    """
    with scripts.jobs(text) as jobs:
        overrides = Overrides(arguments=(), task_count=5, parallelism=2, max_retries=3)
        name = jobs.start_execution("processor", "r", overrides).execution
        wait_until(lambda: len(scripts.notes()) == 2)
        jobs.cancel_execution(name)
        state = jobs.get_execution(name)
        assert state.finished
        assert (state.succeeded, state.failed, state.cancelled) == (0, 0, 5)
        assert all_gone_of(scripts)
        with pytest.raises(InterruptedRunError, match="cancelled"):
            raise_failure("processor", state)
        jobs.cancel_execution(name)  # over: nothing happens


def test_a_request_to_stop_while_waiting_cancels_the_execution_first(scripts: Scripts) -> None:
    cancel = Cancel()

    def stop_soon(state: ExecutionState) -> None:
        if scripts.notes():
            cancel.set()

    with scripts.jobs("note(os.getpid()); time.sleep(1000)") as jobs:
        name = jobs.start_execution("loader", "r", Overrides(arguments=())).execution
        with pytest.raises(InterruptedRunError):
            wait_execution(jobs, name, cancel, stop_soon)
        assert jobs.get_execution(name).finished
        assert all_gone_of(scripts)


def test_a_program_that_cannot_be_started_is_a_failure_like_any_other(tmp_path: Path) -> None:
    with open_emulated_jobs(
        a_pipeline(tmp_path), {}, tmp_path / "logs", Cancel(), command=lambda job: ("/nonexistent/program",)
    ) as jobs:
        name = jobs.start_execution("processor", "r", Overrides(arguments=())).execution
        state = wait_execution(jobs, name, Cancel(), lambda state: None)
    with pytest.raises(UnavailableError, match="No such file"):
        raise_failure("processor", state)


def test_logs_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    opened = open_emulated_jobs(a_pipeline(tmp_path), {}, tmp_path / "file" / "logs", Cancel())
    with pytest.raises(UnavailableError, match="can't be written") as caught, opened:
        pass
    assert "--logs" in caught.value.fix


STARTER = """\
import os, sys, time
from pathlib import Path
from chain.jobs.local.jobs import open_emulated_jobs
from chain.jobs.port import Overrides
from staging.process.cancel import Cancel
from tests.chain.jobs.cloudrun.harness import a_pipeline
folder = Path(sys.argv[1])
command = lambda job: (sys.executable, "-m", "chain.jobs.local.attached", "orphan_job")
environments = {"processor": dict(os.environ)}
pipeline = a_pipeline(folder)
with open_emulated_jobs(pipeline, environments, folder / "logs", Cancel(), command=command) as jobs:
    jobs.start_execution("processor", "r", Overrides(arguments=(sys.argv[1],), task_count=2))
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
    environment = dict(os.environ) | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"}
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
    state = scripts.run("os.kill(os.getpid(), signal.SIGKILL)")
    assert state.failures[0].exit_code == 137
    with pytest.raises(UnavailableError) as caught:
        raise_failure("processor", state)
    assert "killed by signal 9" in caught.value.what
    assert "out of memory" in caught.value.fix
    assert caught.value.exit_code == ExitCode.UNAVAILABLE


def test_progress_of_tasks_is_seen_while_they_run_and_added_up(scripts: Scripts) -> None:
    text = """
        print('{"penstock_progress": {"rows": %d, "size_bytes": 10, "note": "waiting"}}' % (TASK + 1), flush=True)
        while not os.path.exists(os.environ['LEDGER'] + '.go'): time.sleep(0.02)
    """
    seen: list[tuple[int, int, str]] = []
    with scripts.jobs(text) as jobs:
        name = jobs.start_execution("processor", "r", Overrides(arguments=(), task_count=3)).execution

        def watch(state: ExecutionState) -> None:
            seen.append((state.progress.rows, state.progress.size_bytes, state.progress.note))
            if seen[-1] == (6, 30, "waiting"):
                Path(f"{scripts.ledger}.go").touch()

        assert wait_execution(jobs, name, Cancel(), watch).succeeded == 3
    assert (6, 30, "waiting") in seen


def all_gone_of(scripts: Scripts) -> bool:
    marker = f"LEDGER={scripts.ledger}".encode()
    return not [process for process in Path("/proc").glob("[0-9]*") if marker in _environment_of(process)]


def _environment_of(process: Path) -> list[bytes]:
    for _ in range(3):
        try:
            return (process / "environ").read_bytes().split(b"\0")
        except OSError:
            time.sleep(0.01)
    return []
