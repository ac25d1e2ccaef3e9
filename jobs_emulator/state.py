"""Everything the emulator knows while it runs.

Written through to the store when there is one.
"""

from __future__ import annotations

import asyncio
import uuid

from jobs_emulator.clock import Clock
from jobs_emulator.names import ExecutionName, JobName, LocationName, not_found
from jobs_emulator.records import ExecutionRecord, JobRecord, OperationKind, OperationRecord, TaskState
from jobs_emulator.store import Store

FLUSH_SECONDS = 0.05
DELETED_MAX = 1000
FINISHED_OPERATIONS_MAX = 10_000
"""Deleted resources and finished operations kept in memory; the oldest go first."""


class State:
    """Jobs, executions and operations; lives in one event loop."""

    def __init__(self, store: Store | None, clock: Clock) -> None:
        self.jobs: dict[JobName, JobRecord] = {}
        self.deleted_jobs: list[JobRecord] = []
        self.deleted_executions: list[ExecutionRecord] = []
        self.operations: dict[str, OperationRecord] = {}
        self._store = store
        self._clock = clock
        self._sequence = 0
        self._dirty: dict[ExecutionName, tuple[ExecutionRecord, set[int]]] = {}
        self._flush_timer: asyncio.TimerHandle | None = None
        if store is not None:
            self._load(store)

    def next_sequence(self) -> int:
        """A number above all given before; orders executions and operations."""
        self._sequence += 1
        return self._sequence

    def job(self, name: JobName) -> JobRecord:
        """A job by name; NOT_FOUND otherwise."""
        if name not in self.jobs:
            raise not_found("JOB", name.job, name)
        return self.jobs[name]

    def execution(self, name: ExecutionName) -> ExecutionRecord:
        """An execution by name.

        NOT_FOUND when it or its job is not there.
        """
        job = self.jobs.get(name.parent)
        if job is None or name.execution not in job.executions:
            raise not_found("EXECUTION", name.execution, name)
        return job.executions[name.execution]

    def executions(self) -> list[ExecutionRecord]:
        """All executions of all jobs, newest first."""
        records = [record for job in self.jobs.values() for record in job.executions.values()]
        return sorted(records, key=lambda record: record.sequence, reverse=True)

    def write_job(self, job: JobRecord) -> None:
        """Keeps a new or changed job."""
        self.jobs[job.name] = job
        if self._store is not None:
            self._store.write_job(job)

    def delete_job(self, job: JobRecord) -> None:
        """Takes a job out, with its executions."""
        job.deleted_at = self._clock()
        del self.jobs[job.name]
        self.deleted_jobs = [*self.deleted_jobs, job][-DELETED_MAX:]
        if self._store is not None:
            self._store.delete_job(job)
        for record in job.executions.values():
            self._bury(record)

    def add_execution(self, job: JobRecord, record: ExecutionRecord) -> None:
        """Keeps a new execution of a job."""
        job.executions[record.name.execution] = record
        job.execution_count += 1
        self.write_job(job)
        self.changed(record, None)
        self.flush()

    def delete_execution(self, record: ExecutionRecord) -> None:
        """Takes an execution out of its job."""
        del self.jobs[record.name.parent].executions[record.name.execution]
        if self._store is not None:
            self._store.delete_execution(record)
        self._bury(record)

    def add_operation(self, parent: LocationName, kind: OperationKind, **fields: object) -> OperationRecord:
        """Keeps a new operation under a name of its own."""
        name = f"{parent}/operations/{uuid.uuid4()}"
        operation = OperationRecord(name, self.next_sequence(), kind, **fields)  # type: ignore[arg-type] # the record's own
        self.operations[name] = operation
        if self._store is not None:
            self._store.write_operation(operation)
        if len(self.operations) > FINISHED_OPERATIONS_MAX:
            self._forget_oldest_operation()
        return operation

    def delete_operation(self, operation: OperationRecord) -> None:
        """Forgets an operation; its work goes on."""
        del self.operations[operation.name]
        if self._store is not None:
            self._store.delete_operation(operation)

    def changed(self, record: ExecutionRecord, task_index: int | None) -> None:
        """Notes that an execution has to be written.

        Or a task of it.
        """
        if self._store is None or record.deleted_at:
            return
        _, indices = self._dirty.setdefault(record.name, (record, set()))
        if task_index is not None:
            indices.add(task_index)
        elif record.cancel_requested:  # it includes tasks that were cancelled while they waited
            indices.update(i for i, task in record.tasks.items() if task.state is TaskState.CANCELLED)
        if record.is_finished:
            self.flush()
        if self._flush_timer is None and self._dirty:
            self._flush_timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Writes what changed."""
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        if self._store is not None and self._dirty:
            dirty, self._dirty = self._dirty, {}
            self._store.write_progress(dirty.values())

    def _bury(self, record: ExecutionRecord) -> None:
        record.deleted_at = self._clock()
        self._dirty.pop(record.name, None)
        self.deleted_executions = [*self.deleted_executions, record][-DELETED_MAX:]

    def _forget_oldest_operation(self) -> None:
        finished = (o for o in self.operations.values() if o.execution is None or o.execution.is_finished)
        oldest = next(finished, None)
        if oldest is not None:
            self.delete_operation(oldest)

    def _load(self, store: Store) -> None:
        self.jobs = {job.name: job for job in store.read_jobs()}
        executions = {str(record.name): record for record in self.executions()}
        self.operations = {operation.name: operation for operation in store.read_operations(executions)}
        used = [record.sequence for record in executions.values()] + [o.sequence for o in self.operations.values()]
        self._sequence = max(used, default=0)
