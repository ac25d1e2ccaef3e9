"""What the emulator remembers of jobs, executions, tasks and attempts.

Times are Unix seconds; 0.0 is "not yet".
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import IntEnum

from jobs_emulator.names import ExecutionName, JobName
from jobs_emulator.protos import ExecutionMessage, JobMessage


class TaskState(IntEnum):
    """States of a task; a task without record is pending."""

    PENDING = 0
    RUNNING = 1
    SUCCEEDED = 2
    FAILED = 3
    CANCELLED = 4


class Phase(IntEnum):
    """States of an execution."""

    PENDING = 0
    RUNNING = 1
    SUCCEEDED = 2
    FAILED = 3
    CANCELLED = 4


class End(IntEnum):
    """What ended an attempt."""

    RUNNING = 0
    EXITED = 1
    TIMED_OUT = 2
    OUT_OF_MEMORY = 3
    CANCELLED = 4
    NOT_STARTED = 5
    LOST = 6


@dataclass(slots=True)
class AttemptRecord:
    """One attempt of a task.

    At most one of exit code and signal is not 0. `peak_rss_bytes` is the most the watchdog saw, 0 when the attempt
    ended before it looked. (The kernel's own figure includes the process before its program was loaded: the emulator.)
    """

    started_at: float
    ended_at: float = 0.0
    end: End = End.RUNNING
    exit_code: int = 0
    term_signal: int = 0
    detail: str = ""
    cpu_seconds: float = 0.0
    peak_rss_bytes: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether the process ended by itself with exit code 0."""
        return self.end is End.EXITED and self.exit_code == 0 and self.term_signal == 0


@dataclass(slots=True)
class TaskRecord:
    """A task that was started at least once, or cancelled before."""

    index: int
    state: TaskState = TaskState.PENDING
    attempts: list[AttemptRecord] = field(default_factory=list)
    completed_at: float = 0.0

    @property
    def retried(self) -> int:
        """How often the task was started again."""
        return max(len(self.attempts) - 1, 0)


@dataclass(slots=True)
class Counts:
    """Tasks of an execution by state.

    `retried` counts tasks that were started again at least once.
    """

    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0


@dataclass(slots=True)
class ExecutionRecord:
    """An execution: what it was asked, and how far it is.

    What it was asked to do is `spec`, an Execution message with what never changes. `task_frame` is what all its Task
    messages have in common, made when one is first asked for. `failure_*` belong to the first task that failed for
    good.
    """

    name: ExecutionName
    sequence: int
    spec: ExecutionMessage
    created_at: float
    phase: Phase = Phase.PENDING
    started_at: float = 0.0
    completed_at: float = 0.0
    deleted_at: float = 0.0
    updated_at: float = 0.0
    retried_at: float = 0.0
    retried_attempt: int = 0
    cancel_requested: bool = False
    failure_code: int = 0
    failure_message: str = ""
    tasks: dict[int, TaskRecord] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    task_frame: bytes = field(default=b"", repr=False, compare=False)

    @property
    def task_count(self) -> int:
        """How many tasks there are, started or not."""
        return int(self.spec.task_count)

    @property
    def is_finished(self) -> bool:
        """Whether nothing of it will change any more."""
        return self.phase >= Phase.SUCCEEDED

    def task(self, index: int) -> TaskRecord:
        """The record of a task, made when it is first needed."""
        record = self.tasks.get(index)
        if record is None:
            record = self.tasks[index] = TaskRecord(index)
        return record


@dataclass(slots=True)
class JobRecord:
    """A job as it was last written, and its executions.

    In order of creation.
    """

    name: JobName
    message: JobMessage
    execution_count: int = 0
    deleted_at: float = 0.0
    executions: dict[str, ExecutionRecord] = field(default_factory=dict)

    @property
    def latest_execution(self) -> ExecutionRecord | None:
        """The execution created last, of those that were not deleted."""
        return next(reversed(self.executions.values()), None) if self.executions else None


class OperationKind(IntEnum):
    """What an operation is about."""

    DONE = 0
    RUN = 1
    CANCEL = 2
    RUN_FOR_JOB = 3


@dataclass(slots=True)
class OperationRecord:
    """A long-running operation: finished with a stored answer, or following an execution."""

    name: str
    sequence: int
    kind: OperationKind
    metadata: bytes = b""
    response: bytes = b""
    execution: ExecutionRecord | None = None
    error_code: int = 0
    error_message: str = ""
    job: str = ""
