"""google.cloud.run.v2.Jobs: create, get, list, update, delete, run."""

from __future__ import annotations

import uuid

from jobs_emulator.api.conditions import job_image_missing, job_reconciling
from jobs_emulator.api.job_fields import check_job, check_overrides, write_defaults
from jobs_emulator.api.messages import execution_message, job_message, stamp_job
from jobs_emulator.api.operations import operation_message
from jobs_emulator.api.paging import after, take_page
from jobs_emulator.errors import ApiError, Code, FieldViolation, invalid, invalid_fields
from jobs_emulator.images import ImageTable
from jobs_emulator.names import JobName, LocationName, check_job_id, check_token, parse_job, parse_location
from jobs_emulator.protos import (
    Job,
    JobMessage,
    ListJobsResponse,
    OperationMessage,
    RequestMessage,
    ResponseMessage,
    TaskTemplate,
    pack,
)
from jobs_emulator.records import JobRecord, OperationKind, OperationRecord
from jobs_emulator.run.command import apply_overrides, unknown_image
from jobs_emulator.run.executor import Executor
from jobs_emulator.state import State

_SERVER_FIELDS = (
    "uid", "generation", "create_time", "update_time", "delete_time", "expire_time", "creator", "last_modifier",
    "observed_generation", "terminal_condition", "conditions", "execution_count", "latest_created_execution",
    "reconciling", "satisfies_pzs", "etag",
)  # fmt: skip
"""Output only: values that a caller sends in them are dropped, as the API does."""


class JobsService:
    """The methods of the service, from request to response message."""

    def __init__(self, state: State, images: ImageTable, executor: Executor) -> None:
        self._state = state
        self._images = images
        self._executor = executor

    async def create_job(self, request: RequestMessage) -> OperationMessage:
        """CreateJob; ALREADY_EXISTS when there is one of that id."""
        parent = parse_location(request.parent, "parent")
        check_job_id(request.job_id, "job_id")
        name = JobName(parent.project, parent.location, request.job_id)
        if request.job.name and request.job.name != str(name):
            reason = f"must be empty or '{name}'"
            raise invalid(f"job.name {reason}", FieldViolation("job.name", reason))
        if name in self._state.jobs:
            raise ApiError(Code.ALREADY_EXISTS, f"Resource '{name.job}' already exists.")
        return self._write(name, request.job, None, validate_only=request.validate_only)

    async def get_job(self, request: RequestMessage) -> JobMessage:
        """GetJob."""
        return job_message(self._state.job(parse_job(request.name, "name")))

    async def list_jobs(self, request: RequestMessage) -> ResponseMessage:
        """ListJobs of a region, by id.

        Deleted ones too when show_deleted asks for them.
        """
        parent = parse_location(request.parent, "parent")
        deleted = self._state.deleted_jobs if request.show_deleted else []
        found = [job for job in (*self._state.jobs.values(), *deleted) if job.name.parent == parent]
        found.sort(key=_job_position)
        page, token = take_page(
            request, f"jobs {parent} {request.show_deleted}", after(found, _job_position), _job_position
        )
        return ListJobsResponse(jobs=[job_message(job) for job in page], next_page_token=token)

    async def update_job(self, request: RequestMessage) -> OperationMessage:
        """UpdateJob: the whole job is replaced.

        With allow_missing it is created where there is none.
        """
        name = parse_job(request.job.name, "job.name")
        if name not in self._state.jobs and request.allow_missing:
            check_job_id(name.job, "job.name")
            return self._write(name, request.job, None, validate_only=request.validate_only)
        return self._write(name, request.job, self._state.job(name), validate_only=request.validate_only)

    async def delete_job(self, request: RequestMessage) -> OperationMessage:
        """DeleteJob: its executions go with it, running ones are stopped."""
        job = self._state.job(parse_job(request.name, "name"))
        if not request.validate_only:
            for record in job.executions.values():
                self._executor.cancel(record)
            self._state.delete_job(job)
        return self._done(job.name.parent, job_message(job), keep=not request.validate_only)

    async def run_job(self, request: RequestMessage) -> OperationMessage:
        """RunJob: a new execution, with overrides.

        The operation follows it to its end.
        """
        job = self._state.job(parse_job(request.name, "name"))
        overrides = request.overrides
        template = TaskTemplate()
        template.CopyFrom(job.message.template.template)
        faults = check_overrides(overrides, [container.name for container in template.containers])
        if faults:
            raise invalid_fields(faults)
        apply_overrides(template, overrides)
        task_count = overrides.task_count or job.message.template.task_count
        if request.validate_only:
            record = self._executor.plan(job, template, task_count)
            return self._done(job.name.parent, execution_message(record), keep=False)
        record = self._executor.start(job, template, task_count)
        operation = self._state.add_operation(job.name.parent, OperationKind.RUN, execution=record)
        return operation_message(operation, self._state)

    def _write(
        self, name: JobName, sent: JobMessage, existing: JobRecord | None, *, validate_only: bool
    ) -> OperationMessage:
        faults = check_job(sent)
        if faults:
            raise invalid_fields(faults)
        token = sent.start_execution_token or sent.run_execution_token
        if token:
            check_token(name.job, token, f"job.{sent.WhichOneof('create_execution')}")
        record = existing or JobRecord(name, Job())
        message = self._complete(name, sent, record)
        if validate_only:
            return self._done(name.parent, job_message(JobRecord(name, message)), keep=False)
        record.message = message
        self._state.write_job(record)
        missing = self._missing_image(message)
        if missing is not None:
            message.terminal_condition.CopyFrom(job_image_missing(message.update_time.seconds, missing))
            self._state.write_job(record)
            return self._failed(record, missing)
        return self._start_by_token(record, token) if token else self._done(name.parent, job_message(record))

    def _complete(self, name: JobName, sent: JobMessage, record: JobRecord) -> JobMessage:
        """The job as it is kept: what was sent, with defaults and what the server sets."""
        message = Job()
        message.CopyFrom(sent)
        for field in _SERVER_FIELDS:
            message.ClearField(field)
        message.name = str(name)
        message.uid = record.message.uid or str(uuid.uuid4())
        write_defaults(message)
        now = self._executor.now()
        created = record.message.create_time
        stamp_job(message, record.message.generation + 1, created.seconds + created.nanos / 1e9 or now, now)
        return message

    def _missing_image(self, message: JobMessage) -> str | None:
        for container in message.template.template.containers:
            if self._images.find(container.image) is None:
                return unknown_image(container.image, self._images)
        return None

    def _start_by_token(self, job: JobRecord, token: str) -> OperationMessage:
        """Starts the execution that a token names, unless it was started before: so a write may be repeated."""
        execution_id = f"{job.name.job}-{token}"
        record = job.executions.get(execution_id)
        if record is None:
            template = job.message.template
            record = self._executor.start(job, template.template, template.task_count, execution_id)
        if job.message.WhichOneof("create_execution") == "start_execution_token":
            return self._done(job.name.parent, job_message(job))
        message = job_message(job)
        message.reconciling = not record.is_finished
        if not record.is_finished:
            message.terminal_condition.CopyFrom(job_reconciling(record.created_at))
        operation = self._state.add_operation(
            job.name.parent,
            OperationKind.RUN_FOR_JOB,
            execution=record,
            job=str(job.name),
            metadata=pack(message).SerializeToString(),
        )
        return operation_message(operation, self._state)

    def _done(self, parent: LocationName, message: ResponseMessage, *, keep: bool = True) -> OperationMessage:
        packed = pack(message).SerializeToString()
        if not keep:  # nothing happened, so there is nothing to ask for later
            unkept = OperationRecord(f"{parent}/operations/{uuid.uuid4()}", 0, OperationKind.DONE, packed, packed)
            return operation_message(unkept, self._state)
        operation = self._state.add_operation(parent, OperationKind.DONE, metadata=packed, response=packed)
        return operation_message(operation, self._state)

    def _failed(self, job: JobRecord, reason: str) -> OperationMessage:
        operation = self._state.add_operation(
            job.name.parent,
            OperationKind.DONE,
            metadata=pack(job_message(job)).SerializeToString(),
            error_code=int(Code.NOT_FOUND),
            error_message=reason,
        )
        return operation_message(operation, self._state)


def _job_position(job: JobRecord) -> list[object]:
    return [job.name.job, job.deleted_at]
