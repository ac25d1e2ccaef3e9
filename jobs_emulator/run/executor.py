"""Makes a running execution of a job.

It gives it a name, decides what it runs, and resumes what a restart interrupted.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from jobs_emulator.api.messages import execution_spec
from jobs_emulator.clock import Clock
from jobs_emulator.errors import ApiError, Code
from jobs_emulator.images import ImageTable
from jobs_emulator.names import ExecutionName
from jobs_emulator.protos import TaskTemplateMessage
from jobs_emulator.records import AttemptRecord, End, ExecutionRecord, JobRecord, Phase, TaskState
from jobs_emulator.rights.check import Rights
from jobs_emulator.run.command import resolve_command
from jobs_emulator.run.execution_run import settle_attempt
from jobs_emulator.run.scheduler import Scheduler
from jobs_emulator.state import State
from jobs_emulator.unknowns import EXECUTION_ID_ALPHABET


class Executor:
    """Makes executions and hands them to the scheduler.

    `inherited`: the environment tasks may take variables from.
    """

    def __init__(
        self,
        state: State,
        images: ImageTable,
        scheduler: Scheduler,
        *,
        inherited: Mapping[str, str],
        rights: Rights,
        clock: Clock,
        dice: random.Random,
    ) -> None:
        self._state = state
        self._images = images
        self._scheduler = scheduler
        self._inherited = inherited
        self._rights = rights
        self._clock = clock
        self._dice = dice

    def now(self) -> float:
        """Unix seconds."""
        return self._clock()

    def plan(
        self, job: JobRecord, template: TaskTemplateMessage, task_count: int, execution_id: str = ""
    ) -> ExecutionRecord:
        """The execution as it would be.

        FAILED_PRECONDITION when it could not run here, or PERMISSION_DENIED.
        """
        self._rights.check_start(job.name.project, template)
        name = ExecutionName(
            job.name.project, job.name.location, job.name.job, execution_id or self._new_execution_id(job)
        )
        now = self._clock()
        spec = execution_spec(job.message, name, now)
        spec.template.CopyFrom(template)
        spec.task_count = task_count
        spec.parallelism = min(job.message.template.parallelism or task_count, task_count)
        resolve_command(spec.template, self._images, self._inherited)
        return ExecutionRecord(name, self._state.next_sequence(), spec, now)

    def start(
        self, job: JobRecord, template: TaskTemplateMessage, task_count: int, execution_id: str = ""
    ) -> ExecutionRecord:
        """Keeps an execution, then lets it run."""
        record = self.plan(job, template, task_count, execution_id)
        self._state.add_execution(job, record)
        self._scheduler.submit(record, resolve_command(record.spec.template, self._images, self._inherited))
        return record

    def cancel(self, record: ExecutionRecord) -> None:
        """Stops what runs of an execution and takes back the rest.

        Nothing when it is finished.
        """
        self._scheduler.cancel(record)
        self._state.flush()

    def resume_all(self) -> None:
        """Resume executions after a restart.

        Attempts that were running are lost, their tasks retried as far as the job allows.
        """
        for record in reversed(self._state.executions()):
            if record.is_finished:
                continue
            for task in record.tasks.values():
                if task.state is TaskState.RUNNING:
                    self._lose(record, task.index, task.attempts[-1])
            self._resume(record)

    def _resume(self, record: ExecutionRecord) -> None:
        try:
            command = resolve_command(record.spec.template, self._images, self._inherited)
        except ApiError as exc:  # the image table has changed
            record.phase, record.completed_at = Phase.FAILED, self._clock()
            record.failure_code, record.failure_message = int(Code.FAILED_PRECONDITION), exc.message
            record.finished.set()
            self._state.changed(record, None)
            return
        self._state.changed(record, None)
        self._scheduler.submit(record, command)

    def _lose(self, record: ExecutionRecord, index: int, attempt: AttemptRecord) -> None:
        attempt.end, attempt.ended_at = End.LOST, self._clock()
        record.counts.running -= 1
        settle_attempt(record, index, attempt, attempt.ended_at)
        self._state.changed(record, index)

    def _new_execution_id(self, job: JobRecord) -> str:
        while True:
            suffix = "".join(self._dice.choices(EXECUTION_ID_ALPHABET, k=5))
            if f"{job.name.job}-{suffix}" not in job.executions:
                return f"{job.name.job}-{suffix}"
