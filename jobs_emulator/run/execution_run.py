"""An execution while it runs.

Which task comes next, and what each attempt's end means for the whole.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from jobs_emulator.clock import Clock
from jobs_emulator.errors import Code
from jobs_emulator.records import AttemptRecord, End, ExecutionRecord, Phase, TaskState
from jobs_emulator.run.attempt import Attempt, Limits
from jobs_emulator.run.command import Command
from jobs_emulator.run.outcomes import task_failure
from jobs_emulator.run.quantities import parse_quantity


class ExecutionRun:
    """Keeps the record of one execution true; it starts nothing itself."""

    def __init__(self, record: ExecutionRecord, command: Command, grace_seconds: float, clock: Clock) -> None:
        self.record = record
        self.command = command
        self.task_count = record.task_count
        self.limits = _read_limits(record, grace_seconds)
        self.running: dict[int, Attempt] = {}
        self._parallelism: int = record.spec.parallelism
        self._clock = clock
        self._fresh: Iterator[int] = (i for i in range(record.task_count) if i not in record.tasks)
        # a cancel that a restart interrupted has already counted tasks whose turn never came
        self._fresh_left = 0 if record.cancel_requested else record.task_count - len(record.tasks)
        self._again = deque(i for i, task in sorted(record.tasks.items()) if task.state is TaskState.PENDING)

    @property
    def has_ready_task(self) -> bool:
        """Whether a task waits and the execution may run more.

        It waits for a slot; one more may run.
        """
        waits = bool(self._again) or self._fresh_left > 0
        return waits and len(self.running) < self._parallelism

    @property
    def is_over(self) -> bool:
        """Whether no task runs and none waits."""
        return not (self.running or self._again or self._fresh_left)

    def take_task(self) -> int:
        """Index of the next task.

        A task to be retried comes first, at once as in the cloud.
        """
        if self._again:
            return self._again.popleft()
        self._fresh_left -= 1
        return next(self._fresh)

    def begin(self, index: int, attempt: Attempt) -> None:
        """Notes the start of an attempt."""
        record, task, now = self.record, self.record.task(index), self._clock()
        self.running[index] = attempt
        task.attempts.append(attempt.record)
        task.state = TaskState.RUNNING
        record.counts.running += 1
        record.updated_at = now
        if record.phase is Phase.PENDING:
            record.phase, record.started_at = Phase.RUNNING, now
        if task.retried:
            record.counts.retried += task.retried == 1
            record.retried_at, record.retried_attempt = now, max(record.retried_attempt, task.retried)

    def end(self, index: int, ended: AttemptRecord) -> None:
        """Notes the end of an attempt.

        Done, to be retried, failed for good or cancelled.
        """
        del self.running[index]
        self.record.counts.running -= 1
        settle_attempt(self.record, index, ended, self._clock())
        if self.record.task(index).state is TaskState.PENDING:
            self._again.append(index)

    def cancel(self) -> None:
        """Takes back tasks that wait and stops those that run.

        These end as their attempts do.
        """
        record, now = self.record, self._clock()
        record.cancel_requested = True
        record.updated_at = now
        for index in self._again:
            task = record.task(index)
            task.state, task.completed_at = TaskState.CANCELLED, now
        record.counts.cancelled += len(self._again) + self._fresh_left
        self._again.clear()
        self._fresh_left = 0
        for attempt in self.running.values():
            attempt.stop(End.CANCELLED)

    def finish(self) -> None:
        """Gives the execution its last state, once it is over."""
        record = self.record
        record.completed_at = record.updated_at = self._clock()
        if record.cancel_requested:
            record.phase = Phase.CANCELLED
        else:
            record.phase = Phase.FAILED if record.counts.failed else Phase.SUCCEEDED
        record.finished.set()


def _read_limits(record: ExecutionRecord, grace_seconds: float) -> Limits:
    template = record.spec.template
    memory_bytes = parse_quantity(template.containers[0].resources.limits["memory"])
    return Limits(template.timeout.seconds + template.timeout.nanos / 1e9, int(memory_bytes or 0), grace_seconds)


def settle_attempt(record: ExecutionRecord, index: int, ended: AttemptRecord, now: float) -> None:
    """What the end of an attempt means for its task.

    The task is pending again when it may be retried.
    """
    task = record.task(index)
    record.updated_at = now
    if ended.end is End.CANCELLED:
        task.state, task.completed_at = TaskState.CANCELLED, now
        record.counts.cancelled += 1
    elif ended.succeeded:
        task.state, task.completed_at = TaskState.SUCCEEDED, now
        record.counts.succeeded += 1
    elif record.cancel_requested:
        task.state, task.completed_at = TaskState.CANCELLED, now
        record.counts.cancelled += 1
    elif task.retried < record.spec.template.max_retries:
        task.state = TaskState.PENDING
    else:
        task.state, task.completed_at = TaskState.FAILED, now
        record.counts.failed += 1
        if record.failure_code == Code.OK:
            code, record.failure_message = task_failure(record.name.task_id(index), ended)
            record.failure_code = int(code)
