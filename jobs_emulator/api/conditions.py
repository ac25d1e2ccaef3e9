"""Conditions of jobs, executions and tasks, in the API's words."""

from __future__ import annotations

from jobs_emulator.api.durations import format_go_duration
from jobs_emulator.errors import Code
from jobs_emulator.protos import (
    CommonReason,
    Condition,
    ConditionMessage,
    ConditionState,
    ExecutionReason,
    Severity,
    set_timestamp,
)
from jobs_emulator.records import ExecutionRecord, Phase, TaskRecord, TaskState
from jobs_emulator.run.outcomes import attempt_status
from jobs_emulator.unknowns import CANCELLED_MESSAGE, RETRY_MESSAGE

_PENDING = int(ConditionState.CONDITION_PENDING)
_RECONCILING = int(ConditionState.CONDITION_RECONCILING)
_FAILED = int(ConditionState.CONDITION_FAILED)
_SUCCEEDED = int(ConditionState.CONDITION_SUCCEEDED)


def condition(kind: str, state: int, since: float, message: str = "") -> ConditionMessage:
    """A condition that has been in `state` since a time.

    Its type is `kind`.
    """
    made = Condition(type_=kind, state=state, message=message)
    set_timestamp(made.last_transition_time, since)
    return made


def execution_conditions(record: ExecutionRecord) -> list[ConditionMessage]:
    """Completed, ResourcesAvailable, Started, ContainerReady, and Retry when there was one."""
    conditions = [
        _execution_completed(record),
        condition("ResourcesAvailable", _SUCCEEDED, record.created_at, "Provisioned imported containers."),
        _execution_started(record),
        condition("ContainerReady", _SUCCEEDED, record.created_at, "Imported container image."),
    ]
    if record.retried_at:
        conditions.append(_retry(record.retried_at, record.retried_attempt))
    return conditions


def task_conditions(record: TaskRecord | None, execution: ExecutionRecord) -> list[ConditionMessage]:
    """Completed, ResourcesAvailable, Started, ContainerReady, and Retry when the task was started again."""
    if record is None:
        record = TaskRecord(0)
        if execution.phase is Phase.CANCELLED:  # its turn never came
            record.state, record.completed_at = TaskState.CANCELLED, execution.completed_at
    started_at = record.attempts[0].started_at if record.attempts else 0.0
    started = condition("Started", _SUCCEEDED if started_at else _PENDING, started_at or execution.created_at)
    if record.completed_at:
        completed = _task_completed(record)
    elif started_at:
        completed = condition("Completed", _RECONCILING, started_at, "Waiting for task to complete.")
    else:
        completed = condition("Completed", _PENDING, execution.created_at, "Waiting for task to start.")
    retries = [_retry(record.attempts[-1].started_at, record.retried)] if record.retried else []
    return [
        completed,
        condition("ResourcesAvailable", _SUCCEEDED, execution.created_at),
        started,
        condition("ContainerReady", _SUCCEEDED, execution.created_at),
        *retries,
    ]


def job_ready(since: float) -> ConditionMessage:
    """The terminal condition of a job that can be run."""
    return condition("Ready", _SUCCEEDED, since)


def job_image_missing(since: float, message: str) -> ConditionMessage:
    """The terminal condition of a job whose image is not there."""
    made = condition("Ready", _FAILED, since, message)
    made.reason = int(CommonReason.CONTAINER_MISSING)
    return made


def job_reconciling(since: float) -> ConditionMessage:
    """The terminal condition of a job that waits for an execution.

    The execution that its run token named.
    """
    return condition("Ready", _RECONCILING, since, "Waiting for execution to complete.")


def job_resources(since: float) -> ConditionMessage:
    """The other condition a job has."""
    return condition("ResourcesAvailable", _SUCCEEDED, since)


def _execution_completed(record: ExecutionRecord) -> ConditionMessage:
    if record.phase is Phase.PENDING:
        return condition("Completed", _PENDING, record.created_at, "Waiting for execution to start.")
    if record.phase is Phase.RUNNING:
        return condition("Completed", _RECONCILING, record.started_at, "Waiting for execution to complete.")
    if record.phase is Phase.SUCCEEDED:
        took = format_go_duration(record.completed_at - (record.started_at or record.created_at))
        message = f"Execution completed successfully in {took}."
        return condition("Completed", _SUCCEEDED, record.completed_at, message)
    made = condition("Completed", _FAILED, record.completed_at, record.failure_message or CANCELLED_MESSAGE)
    if record.phase is Phase.CANCELLED:
        made.message = CANCELLED_MESSAGE
        made.execution_reason = int(ExecutionReason.CANCELLED)
    else:
        made.execution_reason = int(ExecutionReason.NON_ZERO_EXIT_CODE)
    return made


def _execution_started(record: ExecutionRecord) -> ConditionMessage:
    if record.started_at:
        took = format_go_duration(record.started_at - record.created_at)
        return condition("Started", _SUCCEEDED, record.started_at, f"Started deployed execution in {took}.")
    state = _FAILED if record.is_finished else _PENDING
    return condition("Started", state, record.completed_at or record.created_at)


def _task_completed(record: TaskRecord) -> ConditionMessage:
    if record.state is TaskState.SUCCEEDED:
        took = format_go_duration(record.completed_at - record.attempts[0].started_at)
        return condition("Completed", _SUCCEEDED, record.completed_at, f"Task completed successfully in {took}.")
    code, message = attempt_status(record.attempts[-1]) if record.attempts else (Code.CANCELLED, "")
    made = condition("Completed", _FAILED, record.completed_at, message or CANCELLED_MESSAGE)
    is_cancelled = record.state is TaskState.CANCELLED or code is Code.CANCELLED
    made.execution_reason = int(ExecutionReason.CANCELLED if is_cancelled else ExecutionReason.NON_ZERO_EXIT_CODE)
    return made


def _retry(since: float, attempt: int) -> ConditionMessage:
    made = condition("Retry", _SUCCEEDED, since, RETRY_MESSAGE.format(attempt=attempt))
    made.severity = int(Severity.INFO)
    made.reason = int(CommonReason.IMMEDIATE_RETRY)
    return made
