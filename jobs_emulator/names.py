"""Resource names of the API.

The only place that builds and parses them. `projects/{p}/locations/{l}/jobs/{j}/executions/{e}/tasks/{t}` and
`projects/{p}/locations/{l}/operations/{o}`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobs_emulator.errors import ApiError, Code, FieldViolation, invalid
from jobs_emulator.unknowns import JOB_ID_CHARACTERS_MAX

ANY = "-"
"""In a list's parent: all jobs, or all executions."""

_PROJECT = r"[a-z0-9][a-z0-9.:-]{0,99}"
_LOCATION = r"[a-z][a-z0-9-]{0,62}"
_ID = r"[A-Za-z0-9_.-]{1,128}"
_LOCATION_NAME = re.compile(rf"projects/({_PROJECT})/locations/({_LOCATION})")
_JOB_NAME = re.compile(rf"projects/({_PROJECT})/locations/({_LOCATION})/jobs/({_ID})")
_EXECUTION_NAME = re.compile(rf"projects/({_PROJECT})/locations/({_LOCATION})/jobs/({_ID})/executions/({_ID})")
_TASK_NAME = re.compile(rf"projects/({_PROJECT})/locations/({_LOCATION})/jobs/({_ID})/executions/({_ID})/tasks/({_ID})")
_OPERATION_NAME = re.compile(rf"projects/({_PROJECT})/locations/({_LOCATION})/operations/({_ID})")
_JOB_ID = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_TOKEN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class LocationName:
    """A project in a region: the parent of jobs and operations."""

    project: str
    location: str

    def __str__(self) -> str:
        return f"projects/{self.project}/locations/{self.location}"


@dataclass(frozen=True, slots=True)
class JobName:
    """A job.

    `job` is its short id, or `-` in a list's parent.
    """

    project: str
    location: str
    job: str

    def __str__(self) -> str:
        return f"projects/{self.project}/locations/{self.location}/jobs/{self.job}"

    @property
    def parent(self) -> LocationName:
        """Project and region the job lies in."""
        return LocationName(self.project, self.location)


@dataclass(frozen=True, slots=True)
class ExecutionName:
    """An execution of a job; both are short ids."""

    project: str
    location: str
    job: str
    execution: str

    def __str__(self) -> str:
        return f"projects/{self.project}/locations/{self.location}/jobs/{self.job}/executions/{self.execution}"

    @property
    def parent(self) -> JobName:
        """The job this is an execution of."""
        return JobName(self.project, self.location, self.job)

    def task_id(self, index: int) -> str:
        """Short id of task `index` (0-based)."""
        return f"{self.execution}-task{index}"

    def task(self, index: int) -> str:
        """Full name of task `index` (0-based)."""
        return f"{self}/tasks/{self.task_id(index)}"

    def parse_task_id(self, task_id: str) -> int | None:
        """Index behind a short task id of this execution.

        None when it is not one.
        """
        digits = task_id.removeprefix(f"{self.execution}-task")
        is_index = task_id.startswith(f"{self.execution}-task") and digits.isascii() and digits.isdecimal()
        return int(digits) if is_index and str(int(digits)) == digits else None


def parse_location(name: str, field: str) -> LocationName:
    """`projects/{p}/locations/{l}`; INVALID_ARGUMENT naming `field` otherwise."""
    return LocationName(*_parse(_LOCATION_NAME, name, field, "projects/{project}/locations/{location}"))


def parse_job(name: str, field: str) -> JobName:
    """Full name of a job, or of all jobs.

    All jobs of a region are `-`.
    """
    return JobName(*_parse(_JOB_NAME, name, field, "projects/{project}/locations/{location}/jobs/{job}"))


def parse_execution(name: str, field: str) -> ExecutionName:
    """Full name of an execution, or of all (`-`)."""
    form = "projects/{project}/locations/{location}/jobs/{job}/executions/{execution}"
    return ExecutionName(*_parse(_EXECUTION_NAME, name, field, form))


def parse_task(name: str, field: str) -> tuple[ExecutionName, str]:
    """Execution and short id of a task's full name."""
    form = "projects/{project}/locations/{location}/jobs/{job}/executions/{execution}/tasks/{task}"
    *execution, task_id = _parse(_TASK_NAME, name, field, form)
    return ExecutionName(*execution), task_id


def parse_operation(name: str, field: str) -> tuple[LocationName, str]:
    """Region and id of an operation's full name."""
    form = "projects/{project}/locations/{location}/operations/{operation}"
    project, location, operation = _parse(_OPERATION_NAME, name, field, form)
    return LocationName(project, location), operation


def check_job_id(job_id: str, field: str) -> None:
    """Refuses an id no job may have."""
    if len(job_id) <= JOB_ID_CHARACTERS_MAX and _JOB_ID.fullmatch(job_id):
        return
    reason = (
        f"'{job_id}' is not a job id: at most {JOB_ID_CHARACTERS_MAX} lower-case letters, digits and hyphens, "
        "starting with a letter and not ending with a hyphen"
    )
    raise invalid(reason, FieldViolation(field, reason))


def check_token(job_id: str, token: str, field: str) -> None:
    """Refuses an execution token that makes no name.

    With the job id it must be shorter than 63 characters.
    """
    if _TOKEN.fullmatch(token) and len(job_id) + len(token) < 63:  # noqa: PLR2004 — documented on the field
        return
    reason = f"'{token}' is no execution token: lower-case letters, digits, hyphens; with the job id below 63 in all"
    raise invalid(reason, FieldViolation(field, reason))


def not_found(kind: str, identifier: str, parent: LocationName | JobName | ExecutionName) -> ApiError:
    """NOT_FOUND in the API's words."""
    return ApiError(
        Code.NOT_FOUND,
        f"Resource '{identifier}' of kind '{kind}' in region '{parent.location}' in project '{parent.project}' "
        "does not exist.",
    )


def _parse(pattern: re.Pattern[str], name: str, field: str, form: str) -> tuple[str, ...]:
    match = pattern.fullmatch(name)
    if match is None:
        reason = f"'{name}' is not of the form {form}"
        raise invalid(f"Invalid resource name in {field}: {reason}", FieldViolation(field, reason))
    return match.groups()
