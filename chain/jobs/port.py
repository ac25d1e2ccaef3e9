"""The port to what runs the jobs.

Real processes here, Cloud Run in the cloud. It has the shape of Cloud Run: a *job* is started as an *execution* of N
*tasks*, a task may take several *attempts*, and an execution is looked at until it is over (`chain.jobs.wait`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from staging.process.cancel import Cancel
from staging.process.progress import ProgressLine

JobName = Literal["exporter", "processor", "loader"]

DeployedJob = Literal["exporter", "processor", "loader", "chain"]
"""What a deployment has: the jobs of a run, and the chain as a job of its own."""

TIMED_OUT = 124
"""The exit code of an attempt that ran into its timeout, as `timeout(1)` has it."""

NOT_STARTED = 125
"""The exit code of an attempt whose process never ran, as Docker has it."""

KILLED_BY_SIGNAL = 128
"""Plus n: the exit code of an attempt that signal n ended, as shells have it."""


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
    """The attempt that made a task fail for good.

    `message` is what its log says of it, `log` where the log lies.
    """

    task: int
    attempt: int
    exit_code: int
    message: str
    log: str


@dataclass(frozen=True, slots=True)
class TaskRun:
    """When one task ran, and how often it was retried.

    By the service's clock.
    """

    task: int
    began_at: datetime | None
    ended_at: datetime | None
    retried: int
    succeeded: bool


@dataclass(frozen=True, slots=True)
class ExecutionState:
    """An execution as it is now.

    `running`, `succeeded`, `failed` and `cancelled` count tasks, `retried` attempts. It went well when it is `finished`
    and `succeeded == task_count`: a cancelled one is finished without a failure. `failures` has the last attempts that
    did not end well: of all tasks when it is finished, before that of some. `tasks` is when they ran, once it is
    finished. `progress` is the sum over the tasks, as far as the machinery can see it. `logs` is where to look for
    more.
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
    tasks: tuple[TaskRun, ...] = ()


@dataclass(frozen=True, slots=True)
class StartedExecution:
    """An execution that works for a run.

    `continued`: another starter had begun it, so none was started (or kept).
    """

    execution: str
    continued: bool = False


class JobsApi(Protocol):
    """Starts, shows and cancels executions. Any method may raise UnavailableError or InputError."""

    def start_execution(self, job: JobName, run_id: str, overrides: Overrides) -> StartedExecution:
        """Start the job for the run and return at once.

        Where an execution of the same job for the same run is under way, that one is returned and no second is begun.
        """
        ...

    def find_execution(self, job: JobName, run_id: str) -> str | None:
        """Return the newest execution for the run, or None.

        Of the job, whatever started it.
        """
        ...

    def get_execution(self, execution: str) -> ExecutionState:
        """Return how it is now. One that `start_execution` or `find_execution` has named."""
        ...

    def cancel_execution(self, execution: str) -> None:
        """Stop all tasks of an execution.

        It returns when they have ended or were asked to. Nothing happens when it is over.
        """
        ...

    def rest(self, execution: str, elapsed_seconds: float, cancel: Cancel) -> None:
        """Wait until the next look at an execution.

        It is watched for so long. Where its end can be seen here, the wait ends with it. Raises as `Cancel.check`.
        """
        ...
