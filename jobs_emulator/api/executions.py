"""google.cloud.run.v2.Executions and .Tasks: get, list, cancel, delete; get and list of tasks."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator

from jobs_emulator.api.messages import execution_message, write_task
from jobs_emulator.api.operations import operation_message
from jobs_emulator.api.paging import Position, after, take_page
from jobs_emulator.errors import ApiError, Code
from jobs_emulator.names import ANY, ExecutionName, JobName, not_found, parse_execution, parse_job, parse_task
from jobs_emulator.protos import (
    ExecutionMessage,
    ListExecutionsResponse,
    ListTasksResponse,
    OperationMessage,
    RequestMessage,
    ResponseMessage,
    Task,
    TaskMessage,
    pack,
)
from jobs_emulator.records import ExecutionRecord, OperationKind, OperationRecord
from jobs_emulator.run.executor import Executor
from jobs_emulator.state import State


class ExecutionsService:
    """The methods of Executions."""

    def __init__(self, state: State, executor: Executor) -> None:
        self._state = state
        self._executor = executor

    async def get_execution(self, request: RequestMessage) -> ExecutionMessage:
        """GetExecution."""
        return execution_message(self._state.execution(parse_execution(request.name, "name")))

    async def list_executions(self, request: RequestMessage) -> ResponseMessage:
        """ListExecutions of a job, newest first.

        Or of all jobs of the region (`jobs/-`).
        """
        parent = parse_job(request.parent, "parent")
        found = _executions_below(self._state, parent, show_deleted=request.show_deleted)
        key = f"executions {parent} {request.show_deleted}"
        page, token = take_page(request, key, after(found, _position), _position)
        return ListExecutionsResponse(executions=[execution_message(record) for record in page], next_page_token=token)

    async def cancel_execution(self, request: RequestMessage) -> OperationMessage:
        """CancelExecution; FAILED_PRECONDITION when it is finished."""
        record = self._state.execution(parse_execution(request.name, "name"))
        if record.is_finished:
            raise ApiError(
                Code.FAILED_PRECONDITION,
                f"Execution '{record.name.execution}' is already finished and cannot be cancelled.",
            )
        if request.validate_only:
            return self._finished_operation(record, keep=False)
        self._executor.cancel(record)
        operation = self._state.add_operation(record.name.parent.parent, OperationKind.CANCEL, execution=record)
        return operation_message(operation, self._state)

    async def delete_execution(self, request: RequestMessage) -> OperationMessage:
        """DeleteExecution; what runs of it is stopped."""
        record = self._state.execution(parse_execution(request.name, "name"))
        if request.validate_only:
            return self._finished_operation(record, keep=False)
        self._executor.cancel(record)
        self._state.delete_execution(record)
        return self._finished_operation(record, keep=True)

    def _finished_operation(self, record: ExecutionRecord, *, keep: bool) -> OperationMessage:
        packed = pack(execution_message(record)).SerializeToString()
        parent = record.name.parent.parent
        if keep:
            operation = self._state.add_operation(parent, OperationKind.DONE, metadata=packed, response=packed)
        else:
            name = f"{parent}/operations/{uuid.uuid4()}"
            operation = OperationRecord(name, 0, OperationKind.DONE, packed, packed)
        return operation_message(operation, self._state)


class TasksService:
    """The methods of Tasks."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def get_task(self, request: RequestMessage) -> TaskMessage:
        """GetTask."""
        name, task_id = parse_task(request.name, "name")
        execution = self._state.execution(name)
        index = name.parse_task_id(task_id)
        if index is None or index >= execution.task_count:
            raise not_found("TASK", task_id, name)
        message = Task()
        write_task(message, execution, index)
        return message

    async def list_tasks(self, request: RequestMessage) -> ResponseMessage:
        """ListTasks of an execution by index.

        `executions/-` and `jobs/-` mean all, newest execution first.
        """
        parent = parse_execution(request.parent, "parent")
        page, token = take_page(
            request,
            f"tasks {parent} {request.show_deleted}",
            lambda start: self._tasks_after(parent, start, show_deleted=request.show_deleted),
            lambda entry: [-entry[0].sequence, entry[1]],
        )
        response = ListTasksResponse(next_page_token=token)
        for execution, index in page:
            write_task(response.tasks.add(), execution, index)
        return response

    def _tasks_after(
        self, parent: ExecutionName, start: Position | None, *, show_deleted: bool
    ) -> Iterator[tuple[ExecutionRecord, int]]:
        if ANY not in {parent.job, parent.execution} and not show_deleted:
            executions = [self._state.execution(parent)]
        else:
            below = _executions_below(self._state, parent.parent, show_deleted=show_deleted)
            executions = [r for r in below if parent.execution in {ANY, r.name.execution}]
        sequence, first = start if start is not None else (-math.inf, 0)
        for execution in executions:
            if -execution.sequence < sequence:
                continue
            begin = first + 1 if -execution.sequence == sequence else 0
            for index in range(begin, execution.task_count):
                yield execution, index


def _position(record: ExecutionRecord) -> list[int]:
    return [-record.sequence]


def _executions_below(state: State, parent: JobName, *, show_deleted: bool) -> list[ExecutionRecord]:
    """Executions of a job or of all jobs of its region, newest first; NOT_FOUND when the job is not there."""
    if parent.job != ANY and not show_deleted:
        state.job(parent)
    found = [record for record in state.executions() if _lies_below(record, parent)]
    if show_deleted:
        found += [record for record in state.deleted_executions if _lies_below(record, parent)]
        found.sort(key=lambda record: -record.sequence)
    return found


def _lies_below(record: ExecutionRecord, parent: JobName) -> bool:
    return record.name.parent.parent == parent.parent and parent.job in {ANY, record.name.job}
