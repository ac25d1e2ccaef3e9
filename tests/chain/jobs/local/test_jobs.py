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
from staging.errors import HeldError, PenstockError, UnavailableError
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


@pytest.mark.parametrize("code", [2, 10, 30, 40])
def test_a_failure_that_no_attempt_would_change_ends_the_execution_early(scripts: Scripts, code: int) -> None:
    text = f"note(TASK, ATTEMPT); time.sleep(0 if ATTEMPT == 0 else 100); sys.exit({code})"
    state = scripts.run(text, Overrides(arguments=(), task_count=900, parallelism=3, max_retries=10))
    assert len(scripts.notes()) <= 12
    with pytest.raises(PenstockError) as caught:
        raise_failure("processor", state)
    assert caught.value.exit_code == code
    wait_until(lambda: all_gone_of(scripts))


def test_of_several_failures_the_gravest_is_told(scripts: Scripts) -> None:
    text = "time.sleep(0.3); print('error: code', TASK); sys.exit([20, 30, 10, 1][TASK])"
    state = scripts.run(text, Overrides(arguments=(), task_count=4))
    with pytest.raises(HeldError, match="processor, task 1 of 4: code 1"):
        raise_failure("processor", state)


def test_children_that_a_finished_attempt_left_behind_are_ended(scripts: Scripts) -> None:
    assert scripts.run("import subprocess; note(subprocess.Popen(['sleep', '1000']).pid)").succeeded == 1
    wait_until(lambda: all_gone(scripts.notes()[0]))  # killed, and the kernel takes a moment


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
