"""What runs jobs, as the one suite sees it: this machine, and Cloud Run's client by either transport."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

import jobs_emulator
from chain.jobs.cloudrun.jobs import JobSettings, Polling, open_cloud_run_jobs
from chain.jobs.cloudrun.place import Place
from chain.jobs.local.emulator_logs import EmulatorLogs
from chain.jobs.local.jobs import open_emulated_jobs
from chain.jobs.port import ExecutionState, JobName, JobsApi, Overrides
from chain.jobs.wait import wait_execution
from staging.process.cancel import Cancel
from tests.chain.jobs.cloudrun.harness import a_pipeline

SHELL = ("/bin/sh", "-c")
_IMAGES = '[cloud.images]\nexporter = "sh"\nprocessor = "sh"\nloader = "sh"\n'


@dataclass(frozen=True, slots=True)
class JobsUnderTest:
    """Jobs that are shells: the first argument is a script, in which `note WORDS` appends a line to a file."""

    api: JobsApi
    ledger: Path

    def overrides(self, script: str, *arguments: str, **more: object) -> Overrides:
        noting = f'note() {{ echo "$@" >> {self.ledger}; }}; T=$CLOUD_RUN_TASK_INDEX A=$CLOUD_RUN_TASK_ATTEMPT\n'
        return Overrides((noting + script, *arguments), **more)  # type: ignore[arg-type] # fields of an execution's overrides

    def start(self, script: str, *arguments: str, job: JobName = "processor", **more: object) -> str:
        started = self.api.start_execution(job, "run-1", self.overrides(script, *arguments, **more))
        assert not started.continued
        return started.execution

    def run(self, script: str, *arguments: str, job: JobName = "processor", **more: object) -> ExecutionState:
        return wait_execution(self.api, self.start(script, *arguments, job=job, **more), Cancel(), lambda state: None)

    def notes(self) -> list[str]:
        return self.ledger.read_text().splitlines()


@pytest.fixture(params=["local", "grpc", "rest"])
def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[JobsUnderTest]:
    """Each adapter in turn; a new one is one more parameter here."""
    ledger = tmp_path / "ledger"
    ledger.touch()
    with ExitStack() as stack:
        if request.param == "local":
            environment = {"PATH": os.environ["PATH"]}
            opened = open_emulated_jobs(
                a_pipeline(tmp_path, "[process]\nparallelism = 3\n"),
                dict.fromkeys(("exporter", "processor", "loader"), environment),
                tmp_path / "logs",
                Cancel(),
                command=lambda job: SHELL,
            )
        else:
            emulator = stack.enter_context(
                jobs_emulator.start({"sh": list(SHELL)}, slots=8, grace_seconds=0.5, logs=tmp_path / "logs")
            )
            opened = open_cloud_run_jobs(
                a_pipeline(tmp_path, f'[cloud]\ntransport = "{request.param}"\n{_IMAGES}'),
                Place("acme", "europe-west1", emulator.address),
                Cancel(),
                JobSettings(logs=EmulatorLogs(emulator.address), polling=Polling(0.02, 0.1)),
            )
        yield JobsUnderTest(stack.enter_context(opened), ledger)
