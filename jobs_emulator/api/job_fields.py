"""Which fields of a job the API refuses or fills in.

All faults are reported at once. Limits are those of the Cloud Run documentation (quotas and the reference of
`projects.locations.jobs`). Memory below the cloud's 512 MiB is allowed, so that a test can run out of it cheaply.

Defaults are written back into the job, as the API does it. Zero means "default" for every field without presence (task
count 0 is 1, timeout 0 is 600 s); max_retries has presence, so an explicit 0 stays 0. Parallelism 0 stays 0: it means
as many tasks at once as allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jobs_emulator.errors import FieldViolation
from jobs_emulator.protos import (
    ContainerMessage,
    ExecutionEnvironment,
    ExecutionTemplateMessage,
    JobMessage,
    LaunchStage,
    OverridesMessage,
)
from jobs_emulator.run.quantities import parse_quantity

TASK_COUNT_MAX = 10_000
MAX_RETRIES_MAX = 10
TIMEOUT_SECONDS_MAX = 168 * 3600
CONTAINERS_MAX = 10
ENV_VALUE_BYTES_MAX = 32_768
MEMORY_BYTES_MAX = 32 * 2**30
RESERVED_NAMESPACES = ("run.googleapis.com", "cloud.googleapis.com", "serving.knative.dev", "autoscaling.knative.dev")
DEFAULT_TASK_COUNT = 1
DEFAULT_MAX_RETRIES = 3
DEFAULT_TIMEOUT_SECONDS = 600
DEFAULT_CPU = "1000m"
DEFAULT_MEMORY = "512Mi"


def check_job(job: JobMessage) -> list[FieldViolation]:
    """Everything wrong with a job as a caller sent it."""
    return [
        *_check_namespaces(job.labels, "job.labels"),
        *_check_namespaces(job.annotations, "job.annotations"),
        *_check_execution_template(job.template, "job.template"),
    ]


def check_overrides(overrides: OverridesMessage, container_names: list[str]) -> list[FieldViolation]:
    """Everything wrong with the overrides of a RunJob call.

    On a job with these containers.
    """
    faults = [*_check_task_count(overrides.task_count, "overrides.task_count")]
    faults += _check_timeout(overrides.timeout.seconds, overrides.timeout.nanos, "overrides.timeout")
    for position, override in enumerate(overrides.container_overrides):
        where = f"overrides.container_overrides[{position}]"
        if override.args and override.clear_args:
            faults.append(FieldViolation(f"{where}.clear_args", "args and clear_args exclude each other"))
        if len(container_names) > 1 and override.name not in container_names:
            faults.append(FieldViolation(f"{where}.name", f"there is no container '{override.name}'"))
        faults += _check_env(override.env, where)
    return faults


def write_defaults(job: JobMessage) -> None:
    """Fills in `job` what its caller left out."""
    if not job.launch_stage:
        job.launch_stage = LaunchStage.Value("GA")
    execution = job.template
    execution.task_count = execution.task_count or DEFAULT_TASK_COUNT
    task = execution.template
    if not task.HasField("max_retries"):
        task.max_retries = DEFAULT_MAX_RETRIES
    if not (task.timeout.seconds or task.timeout.nanos):
        task.timeout.seconds = DEFAULT_TIMEOUT_SECONDS
    task.execution_environment = task.execution_environment or int(ExecutionEnvironment.EXECUTION_ENVIRONMENT_GEN2)
    for container in task.containers:
        limits = container.resources.limits
        limits["cpu"] = limits.get("cpu") or DEFAULT_CPU
        limits["memory"] = limits.get("memory") or DEFAULT_MEMORY


def _check_namespaces(values: Mapping[str, str], field: str) -> Iterator[FieldViolation]:
    for key in values:
        namespace = key.partition("/")[0]
        if "/" in key and (
            namespace in RESERVED_NAMESPACES or namespace.endswith(tuple("." + n for n in RESERVED_NAMESPACES))
        ):
            yield FieldViolation(field, f"'{key}' lies in a namespace that the system reserves for itself")


def _check_execution_template(template: ExecutionTemplateMessage, field: str) -> Iterator[FieldViolation]:
    yield from _check_namespaces(template.labels, f"{field}.labels")
    yield from _check_namespaces(template.annotations, f"{field}.annotations")
    yield from _check_task_count(template.task_count, f"{field}.task_count")
    if not 0 <= template.parallelism <= TASK_COUNT_MAX:
        yield FieldViolation(f"{field}.parallelism", f"must be from 0 to {TASK_COUNT_MAX}, is {template.parallelism}")
    task, where = template.template, f"{field}.template"
    if not 0 <= task.max_retries <= MAX_RETRIES_MAX:
        yield FieldViolation(f"{where}.max_retries", f"must be from 0 to {MAX_RETRIES_MAX}, is {task.max_retries}")
    yield from _check_timeout(task.timeout.seconds, task.timeout.nanos, f"{where}.timeout")
    if not 1 <= len(task.containers) <= CONTAINERS_MAX:
        yield FieldViolation(f"{where}.containers", f"must be from 1 to {CONTAINERS_MAX}, are {len(task.containers)}")
    volumes = {volume.name for volume in task.volumes}
    names = [container.name for container in task.containers]
    for position, container in enumerate(task.containers):
        at = f"{where}.containers[{position}]"
        yield from _check_container(container, at, volumes)
        if container.name and names.count(container.name) > 1:
            yield FieldViolation(f"{at}.name", f"'{container.name}' is the name of more than one container")


def _check_container(container: ContainerMessage, field: str, volumes: set[str]) -> Iterator[FieldViolation]:
    if not container.image:
        yield FieldViolation(f"{field}.image", "is required")
    yield from _check_env(container.env, field)
    for resource, text in container.resources.limits.items():
        quantity = parse_quantity(text)
        if quantity is None:
            yield FieldViolation(f"{field}.resources.limits[{resource}]", f"'{text}' is not a quantity such as 512Mi")
        elif resource == "memory" and not 0 < quantity <= MEMORY_BYTES_MAX:
            yield FieldViolation(f"{field}.resources.limits[memory]", f"'{text}' is not above 0 and up to 32Gi")
    for mount in container.volume_mounts:
        if mount.name not in volumes:
            yield FieldViolation(f"{field}.volume_mounts", f"there is no volume '{mount.name}'")


def _check_env(env: list[ContainerMessage], field: str) -> Iterator[FieldViolation]:
    for position, variable in enumerate(env):
        where = f"{field}.env[{position}]"
        if not variable.name or "=" in variable.name or "\0" in variable.name:
            yield FieldViolation(f"{where}.name", f"'{variable.name}' is not a variable's name")
        if len(variable.value.encode()) > ENV_VALUE_BYTES_MAX or "\0" in variable.value:
            yield FieldViolation(f"{where}.value", f"must have no NUL and at most {ENV_VALUE_BYTES_MAX} bytes")


def _check_task_count(task_count: int, field: str) -> Iterator[FieldViolation]:
    if not 0 <= task_count <= TASK_COUNT_MAX:
        yield FieldViolation(field, f"must be from 1 to {TASK_COUNT_MAX}, or 0 for the default; is {task_count}")


def _check_timeout(seconds: int, nanos: int, field: str) -> Iterator[FieldViolation]:
    if seconds < 0 or nanos < 0 or seconds + nanos / 1e9 > TIMEOUT_SECONDS_MAX:
        yield FieldViolation(field, f"must be above 0 and at most {TIMEOUT_SECONDS_MAX} s; is {seconds} s")
