"""The port to whatever runs the jobs: real processes here, Cloud Run in the cloud.

It has the shape of Cloud Run: a *job* is started as an *execution* of N *tasks*, a task may take several *attempts*,
and an execution is looked at until it is over. `wait_execution` turns that into "ended well, or an error".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from staging.cancel import Cancel
from staging.progress import ProgressLine

JobName = Literal["exporter", "processor", "loader"]


@dataclass(frozen=True, slots=True)
class Overrides:
    """What one execution gets beyond its job's definition.

    `environment` is merged over the job's, `arguments` replace them. `parallelism` is how many tasks run at once at
    most, None for as many as the machinery likes. `max_retries` is how often a task is tried again, so a task has
    `max_retries + 1` attempts. `timeout_seconds` counts for one attempt.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    task_count: int = 1
    parallelism: int | None = None
    max_retries: int = 0
    timeout_seconds: int = 600


@dataclass(frozen=True, slots=True)
class TaskFailure:
    """The attempt that made a task fail for good. `message` is what its log says of it, `log` where the log lies."""

    task: int
    attempt: int
    exit_code: int
    message: str
    log: str


@dataclass(frozen=True, slots=True)
class ExecutionState:
    """An execution as it is now. `running`, `succeeded`, `failed` and `cancelled` count tasks, `retried` attempts.

    It went well when it is `finished` and `succeeded == task_count`: a cancelled one is finished without a failure.
    `progress` is the sum over the tasks, as far as the machinery can see it. `logs` is where to look for more.
    """

    execution: str
    task_count: int
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0
    finished: bool = False
    failures: tuple[TaskFailure, ...] = ()
    progress: ProgressLine = field(default_factory=ProgressLine)
    logs: str = ""


@dataclass(frozen=True, slots=True)
class StartedExecution:
    """An execution that works for a run. `continued`: another starter had begun it, so none was started (or kept)."""

    execution: str
    continued: bool = False


class JobsApi(Protocol):
    """Starts, shows and cancels executions. Any method may raise UnavailableError or InputError."""

    def start_execution(self, job: JobName, run_id: str, overrides: Overrides) -> StartedExecution:
        """Start the job for the run and return at once.

        Where an execution of the same job for the same run is under way, that one is returned and no second is begun.
        """
        ...

    def get_execution(self, execution: str) -> ExecutionState:
        """Return how it is now."""
        ...

    def cancel_execution(self, execution: str) -> None:
        """Stop all its tasks; returns when they have ended or have been told to. Nothing happens when it is over."""
        ...

    def poll_seconds(self, elapsed_seconds: float) -> float:
        """How long to wait until the next look at an execution that is watched for so long."""
        ...


def wait_execution(
    jobs: JobsApi, execution: str, cancel: Cancel, watch: Callable[[ExecutionState], None]
) -> ExecutionState:
    """Look until the execution is over and return its last state; `watch` sees each one.

    When `cancel` is set, or anything else goes wrong on the way, the execution is cancelled before the error leaves.
    """
    began = time.monotonic()
    try:
        while True:
            state = jobs.get_execution(execution)
            watch(state)
            if state.finished:
                return state
            cancel.wait(jobs.poll_seconds(time.monotonic() - began))
    except BaseException:
        jobs.cancel_execution(execution)
        raise
