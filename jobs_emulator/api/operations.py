"""google.longrunning.Operations: get, list, wait, delete.

An operation of RunJob follows its execution: metadata is the execution as it is now; it ends with the execution as its
response, with an error when tasks failed for good, and with a response, not an error, when it was cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable

from jobs_emulator.api.conditions import job_ready
from jobs_emulator.api.messages import execution_message, job_message
from jobs_emulator.api.paging import after, take_page
from jobs_emulator.errors import ApiError, Code, FieldViolation, invalid
from jobs_emulator.names import parse_job, parse_location, parse_operation
from jobs_emulator.protos import (
    Any_,
    Empty,
    ListOperationsResponse,
    Operation,
    OperationMessage,
    RequestMessage,
    ResponseMessage,
    pack,
)
from jobs_emulator.records import ExecutionRecord, OperationKind, OperationRecord, Phase
from jobs_emulator.state import State
from jobs_emulator.unknowns import WAIT_SECONDS_MAX

_DONE_FILTER = re.compile(r"\s*done\s*[:=]\s*(true|false)\s*", re.IGNORECASE)


def operation_message(record: OperationRecord, state: State) -> OperationMessage:
    """An operation as it is now."""
    message = Operation(name=record.name)
    execution = record.execution
    if execution is None:
        message.done = True
        message.metadata.MergeFromString(record.metadata)
        if record.error_code:
            message.error.code, message.error.message = record.error_code, record.error_message
        else:
            message.response.MergeFromString(record.response)
        return message
    message.done = execution.is_finished
    answer = pack(execution_message(execution))
    if record.kind is OperationKind.RUN_FOR_JOB:
        answer = _job_of(record, state)
    message.metadata.CopyFrom(answer)
    if message.done:
        _write_result(message, record, execution, answer)
    return message


class OperationsService:
    """The methods of the service."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def get_operation(self, request: RequestMessage) -> OperationMessage:
        """GetOperation."""
        return operation_message(self._find(request.name), self._state)

    async def list_operations(self, request: RequestMessage) -> ResponseMessage:
        """ListOperations of a region, oldest first.

        The filter may be `done=true` or `done=false`.
        """
        parent = parse_location(request.name.removesuffix("/operations"), "name")
        wanted = _parse_filter(request.filter)
        found = [o for o in self._state.operations.values() if o.name.startswith(f"{parent}/operations/") and wanted(o)]
        key = f"operations {parent} {request.filter}"
        page, token = take_page(request, key, after(found, _position), _position)
        messages = [operation_message(operation, self._state) for operation in page]
        return ListOperationsResponse(operations=messages, next_page_token=token)

    async def wait_operation(self, request: RequestMessage) -> OperationMessage:
        """WaitOperation: answers when it is done.

        Or with its present state when the timeout is over.
        """
        record = self._find(request.name)
        if record.execution is not None:
            asked_seconds = request.timeout.seconds + request.timeout.nanos / 1e9
            if request.HasField("timeout") and asked_seconds < 0:
                raise invalid("timeout must not be negative", FieldViolation("timeout", "must not be negative"))
            limit_seconds = min(asked_seconds, WAIT_SECONDS_MAX) if request.HasField("timeout") else WAIT_SECONDS_MAX
            with contextlib.suppress(TimeoutError):  # the answer says then that it is not done
                await asyncio.wait_for(record.execution.finished.wait(), limit_seconds)
        return operation_message(record, self._state)

    async def delete_operation(self, request: RequestMessage) -> ResponseMessage:
        """DeleteOperation: forgets it; the execution it followed goes on."""
        self._state.delete_operation(self._find(request.name))
        return Empty()

    def _find(self, name: str) -> OperationRecord:
        parse_operation(name, "name")
        if name not in self._state.operations:
            raise ApiError(Code.NOT_FOUND, f"Operation '{name}' does not exist.")
        return self._state.operations[name]


def _position(operation: OperationRecord) -> list[int]:
    return [operation.sequence]


def _write_result(
    message: OperationMessage, record: OperationRecord, execution: ExecutionRecord, answer: ResponseMessage
) -> None:
    if record.kind is not OperationKind.CANCEL and execution.phase is Phase.FAILED:
        message.error.code, message.error.message = execution.failure_code, execution.failure_message
    else:
        message.response.CopyFrom(answer)


def _job_of(record: OperationRecord, state: State) -> ResponseMessage:
    """The job that waits for its execution, as it is now; as it was, when it is gone."""
    job = state.jobs.get(parse_job(record.job, "job"))
    if job is None:
        return Any_.FromString(record.metadata)
    message = job_message(job)
    if record.execution is not None and record.execution.is_finished:
        message.terminal_condition.CopyFrom(job_ready(record.execution.completed_at))
        message.reconciling = False
    return pack(message)


def _parse_filter(text: str) -> Callable[[OperationRecord], bool]:
    if not text.strip():
        return lambda _: True
    match = _DONE_FILTER.fullmatch(text)
    if match is None:
        reason = f"'{text}' is not a filter the emulator knows: done=true, done=false"
        raise invalid(reason, FieldViolation("filter", reason))
    is_wanted = match[1].lower() == "true"
    return lambda operation: (operation.execution is None or operation.execution.is_finished) is is_wanted
