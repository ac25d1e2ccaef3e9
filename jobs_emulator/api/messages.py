"""Shows jobs, executions and tasks as the API does.

Made from the records when they are asked for. Task messages are built lazily, so that an execution of 10,000 tasks
costs nothing until someone lists them, and then a page.
"""

from __future__ import annotations

import base64
import uuid

from jobs_emulator.api.conditions import execution_conditions, job_ready, job_resources, task_conditions
from jobs_emulator.errors import Code
from jobs_emulator.names import ExecutionName
from jobs_emulator.protos import (
    CompletionStatus,
    Execution,
    ExecutionMessage,
    Job,
    JobMessage,
    LaunchStage,
    Task,
    TaskAttemptResultMessage,
    TaskMessage,
    set_timestamp,
)
from jobs_emulator.records import AttemptRecord, ExecutionRecord, JobRecord, Phase, TaskRecord, TaskState
from jobs_emulator.run.outcomes import attempt_status
from jobs_emulator.unknowns import DELETED_KEPT_SECONDS

CALLER = "local@penstock-jobs-emulator"
"""Creator and last modifier of everything: nobody has to sign in here."""

_UID_DIGITS = 12
_UID_KEPT = -_UID_DIGITS
"""A task's uid is its execution's, but for the last group."""

_COMPLETION = {
    Phase.PENDING: CompletionStatus.EXECUTION_PENDING,
    Phase.RUNNING: CompletionStatus.EXECUTION_RUNNING,
    Phase.SUCCEEDED: CompletionStatus.EXECUTION_SUCCEEDED,
    Phase.FAILED: CompletionStatus.EXECUTION_FAILED,
    Phase.CANCELLED: CompletionStatus.EXECUTION_CANCELLED,
}


def job_message(record: JobRecord) -> JobMessage:
    """A job with what follows from its executions."""
    message = Job()
    message.CopyFrom(record.message)
    message.execution_count = record.execution_count
    latest = record.latest_execution
    reference = message.latest_created_execution
    if latest is None:  # the API shows times of 1970 then
        set_timestamp(reference.create_time, 0.0)
        set_timestamp(reference.completion_time, 0.0)
    else:
        reference.name = latest.name.execution
        reference.completion_status = int(_COMPLETION[latest.phase])
        set_timestamp(reference.create_time, latest.created_at)
        if latest.completed_at:
            set_timestamp(reference.completion_time, latest.completed_at)
    if record.deleted_at:
        set_timestamp(message.delete_time, record.deleted_at)
        set_timestamp(message.expire_time, record.deleted_at + DELETED_KEPT_SECONDS)
    return message


def stamp_job(message: JobMessage, generation: int, created_at: float, now: float) -> None:
    """Writes what the server sets on every write of a job."""
    message.generation = generation
    message.observed_generation = generation
    message.creator = message.creator or CALLER
    message.last_modifier = CALLER
    set_timestamp(message.create_time, created_at)
    set_timestamp(message.update_time, now)
    message.etag = make_etag(generation, now)
    message.reconciling = False
    message.ClearField("conditions")
    message.terminal_condition.CopyFrom(job_ready(now))
    message.conditions.append(job_resources(now))


def execution_spec(job: JobMessage, name: ExecutionName, now: float) -> ExecutionMessage:
    """The part of an execution that never changes, before overrides.

    Taken from the job's template.
    """
    template = job.template
    spec = Execution(
        name=str(name),
        uid=str(uuid.uuid4()),
        creator=CALLER,
        generation=1,
        observed_generation=1,
        launch_stage=job.launch_stage or LaunchStage.Value("GA"),
        job=name.job,
        parallelism=template.parallelism,
        task_count=template.task_count,
        log_uri=_log_uri(name, ""),
        etag=make_etag(1, now),
    )
    spec.labels.update(template.labels)
    spec.annotations.update(template.annotations)
    spec.template.CopyFrom(template.template)
    set_timestamp(spec.create_time, now)
    return spec


def execution_message(record: ExecutionRecord) -> ExecutionMessage:
    """An execution with its counters and conditions as they are now."""
    message = Execution()
    message.CopyFrom(record.spec)
    counts = record.counts
    message.running_count = counts.running
    message.succeeded_count = counts.succeeded
    message.failed_count = counts.failed
    message.cancelled_count = counts.cancelled
    message.retried_count = counts.retried
    message.reconciling = not record.is_finished
    set_timestamp(message.update_time, record.updated_at or record.created_at)
    if record.started_at:
        set_timestamp(message.start_time, record.started_at)
    if record.completed_at:
        set_timestamp(message.completion_time, record.completed_at)
    if record.deleted_at:
        set_timestamp(message.delete_time, record.deleted_at)
        set_timestamp(message.expire_time, record.deleted_at + DELETED_KEPT_SECONDS)
    message.conditions.extend(execution_conditions(record))
    return message


def write_task(message: TaskMessage, execution: ExecutionRecord, index: int) -> None:
    """Fills an empty message with one task of an execution.

    Task `index` (0-based), as it is now.
    """
    spec, record = execution.spec, execution.tasks.get(index)
    execution.task_frame = execution.task_frame or _task_frame(execution)
    message.MergeFromString(execution.task_frame)
    message.name = execution.name.task(index)
    message.uid = f"{spec.uid[:_UID_KEPT]}{int(spec.uid[_UID_KEPT:], 16) ^ (index + 1):0{_UID_DIGITS}x}"
    message.index = index
    message.reconciling = not execution.is_finished and (record is None or record.state <= TaskState.RUNNING)
    message.log_uri = _log_uri(execution.name, str(index))
    _write_progress(message, execution, record)
    message.conditions.extend(task_conditions(record, execution))


def _task_frame(execution: ExecutionRecord) -> bytes:
    """What all tasks of an execution have in common: made once, as a list may have a thousand of them."""
    spec = execution.spec
    template = spec.template
    message = Task(
        generation=1,
        observed_generation=1,
        job=execution.name.job,
        execution=execution.name.execution,
        max_retries=template.max_retries,
        service_account=template.service_account,
        execution_environment=template.execution_environment,
        encryption_key=template.encryption_key,
        etag=spec.etag,
        containers=template.containers,
        volumes=template.volumes,
        timeout=template.timeout,
    )
    for field in ("vpc_access", "node_selector"):
        if template.HasField(field):
            getattr(message, field).CopyFrom(getattr(template, field))
    if template.HasField("gpu_zonal_redundancy_disabled"):
        message.gpu_zonal_redundancy_disabled = template.gpu_zonal_redundancy_disabled
    message.labels.update(spec.labels)
    message.annotations.update(spec.annotations)
    set_timestamp(message.create_time, execution.created_at)
    return bytes(message.SerializeToString())


def make_etag(generation: int, now: float) -> str:
    """An opaque fingerprint, quoted as HTTP wants it.

    It is sent and accepted, but never compared.
    """
    digest = base64.urlsafe_b64encode(f"{generation}/{now:.6f}".encode()).decode().rstrip("=")
    return f'"{digest}"'


def _write_progress(message: TaskMessage, execution: ExecutionRecord, record: TaskRecord | None) -> None:
    updated_at = execution.created_at
    if record is not None:
        message.retried = record.retried
        if record.attempts:
            set_timestamp(message.scheduled_time, record.attempts[0].started_at)
            set_timestamp(message.start_time, record.attempts[0].started_at)
            updated_at = record.attempts[-1].ended_at or record.attempts[-1].started_at
        ended = [attempt for attempt in record.attempts if attempt.ended_at]
        if ended:
            _write_result(message.last_attempt_result, ended[-1])
        if record.completed_at:
            set_timestamp(message.completion_time, record.completed_at)
            updated_at = record.completed_at
    elif execution.is_finished:  # cancelled before its turn
        set_timestamp(message.completion_time, execution.completed_at)
    set_timestamp(message.update_time, updated_at)


def _write_result(result: TaskAttemptResultMessage, attempt: AttemptRecord) -> None:
    code, text = attempt_status(attempt)
    result.status.SetInParent()
    if code is not Code.OK:
        result.status.code, result.status.message = int(code), text
    result.exit_code, result.term_signal = attempt.exit_code, attempt.term_signal


def _log_uri(name: ExecutionName, task_index: str) -> str:
    """Where the cloud's console would show the logs."""
    query = f'resource.type="cloud_run_job" labels."run.googleapis.com/execution_name"="{name.execution}"'
    if task_index:
        query += f' labels."run.googleapis.com/task_index"="{task_index}"'
    escaped = query.replace('"', "%22").replace(" ", "%20").replace("/", "%2F").replace("=", "%3D")
    return f"https://console.cloud.google.com/logs/viewer?project={name.project}&advancedFilter={escaped}"
