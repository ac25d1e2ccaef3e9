"""The jobs as real processes of this machine, with Cloud Run's environment."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from chain.jobs import ExecutionState, JobName, Overrides, StartedExecution
from chain.local_execution import LocalExecution
from staging.errors import UnavailableError
from staging.progress import VARIABLE as PROGRESS_VARIABLE

Command = Callable[[JobName], Sequence[str]]


def available_cpus() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def module_command(job: JobName) -> Sequence[str]:
    """Return how a job is started: by this very interpreter, so that all see the same installation."""
    return (sys.executable, "-P", "-m", "chain.attached", job)


class LocalJobs:
    """`JobsApi` over local processes; one folder holds a log for each attempt.

    A job gets the overrides' environment and nothing else, then Cloud Run's own variables.
    """

    def __init__(
        self,
        log_folder: Path,
        *,
        command: Command = module_command,
        cpus: int | None = None,
    ) -> None:
        self._log_folder = log_folder
        self._command = command
        self._cpus = cpus or available_cpus()
        self._executions: dict[str, LocalExecution] = {}

    def start_execution(self, job: JobName, run_id: str, overrides: Overrides) -> StartedExecution:  # noqa: ARG002 - nobody else can start here
        """See `JobsApi`."""
        name = f"{job}-{secrets.token_hex(3)}"
        slots = min(overrides.parallelism or self._cpus, overrides.task_count)
        environment = dict(overrides.environment)
        environment |= {"CLOUD_RUN_JOB": job, "CLOUD_RUN_EXECUTION": name, PROGRESS_VARIABLE: "1"}
        # So many tasks share the processors; each would else start as many threads as there are processors.
        environment.setdefault("POLARS_MAX_THREADS", str(max(1, self._cpus // slots)))
        try:
            self._log_folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise UnavailableError(
                f"The logs of the jobs can't be written to {self._log_folder}.",
                why=exc.strerror or str(exc),
                fix="Name another folder with --logs.",
            ) from exc
        command = (*self._command(job), *overrides.arguments)
        self._executions[name] = LocalExecution(
            name=name,
            command=command,
            environment=environment,
            overrides=overrides,
            slots=slots,
            log_folder=self._log_folder,
        )
        return StartedExecution(name)

    def find_execution(self, job: JobName, run_id: str) -> str | None:  # noqa: ARG002 - ended with who started them
        """See `JobsApi`."""
        return None

    def get_execution(self, execution: str) -> ExecutionState:
        """See `JobsApi`."""
        return self._executions[execution].state()

    def cancel_execution(self, execution: str) -> None:
        """See `JobsApi`; returns when every process of it has ended."""
        self._executions[execution].cancel()

    def poll_seconds(self, elapsed_seconds: float) -> float:  # noqa: ARG002 - a look costs nothing here
        """See `JobsApi`."""
        return 0.1
