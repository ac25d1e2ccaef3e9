"""Notes in the bucket when an execution's tasks ran.

For `penstock report`; nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from chain.jobs.port import ExecutionState, JobName
from staging.documents.timeline import MOST_TASKS, FailedAttempt, TaskTime, Timeline
from staging.errors import PenstockError
from staging.names import DayNames, new_id
from staging.redaction import redact
from staging.store import Store


class TimelineNotes:
    """Sees an execution and remembers each failed attempt.

    And when that was seen.
    """

    def __init__(self, job: JobName, run_id: str, now: Callable[[], datetime]) -> None:
        self._job = job
        self._run_id = run_id
        self._now = now
        self._began_at = now()
        self._attempts: dict[tuple[int, int], FailedAttempt] = {}
        self._state: ExecutionState | None = None

    def see(self, state: ExecutionState) -> list[FailedAttempt]:
        """Take note of an execution's state.

        Returns the attempts that have failed since the last look.
        """
        self._state = state
        news = [each for each in state.failures if (each.task, each.attempt) not in self._attempts]
        for failure in news[: MOST_TASKS - len(self._attempts)]:
            self._attempts[failure.task, failure.attempt] = FailedAttempt(
                task=failure.task,
                attempt=failure.attempt,
                exit_code=failure.exit_code,
                seen_at=self._now(),
                message=redact(failure.message.partition("\n")[0]),
            )
        return [self._attempts[key] for each in news if (key := (each.task, each.attempt)) in self._attempts]

    def write(self, store: Store, names: DayNames, say: Callable[[str], None]) -> None:
        """Create the note.

        A failure to do so is reported, and has no other effect.
        """
        state, now = self._state, self._now()
        if state is None:
            return
        tasks = [
            TaskTime(
                task=task.task,
                began_at=task.began_at,
                ended_at=task.ended_at,
                retried=task.retried,
                succeeded=task.succeeded,
            )
            for task in sorted(state.tasks, key=lambda task: task.task)[:MOST_TASKS]
        ]
        note = Timeline(
            run_id=self._run_id,
            job=self._job,
            execution=state.execution,
            began_at=self._began_at,
            ended_at=now,
            task_count=state.task_count,
            tasks=tuple(tasks),
            attempts=tuple(self._attempts.values()),
            logs=redact(state.logs),
        )
        try:
            store.create(names.timeline(self._run_id, new_id(now)), note.to_bytes())
        except PenstockError as error:
            say(f"warning: when the tasks ran could not be noted in the bucket: {error.what}")
