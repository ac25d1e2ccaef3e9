"""What a task runs.

Program, arguments, folder and environment, by Docker's rules and Cloud Run's variables. `command` of a container
replaces the image's entrypoint *and* cmd; `args` replaces cmd alone (Docker and Kubernetes: "command and arguments for
a container"). The environment starts empty; then come the variables that tasks may inherit, the image's, the job's,
those of the RunJob call, and last what Cloud Run itself sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobs_emulator.errors import ApiError, Code
from jobs_emulator.images import ImageTable
from jobs_emulator.names import ExecutionName
from jobs_emulator.protos import ContainerMessage, OverridesMessage, TaskTemplateMessage

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")
"""Variables of the emulator itself that every task sees; an image table may name more (`pass_env`)."""


@dataclass(frozen=True, slots=True)
class Command:
    """A program to start.

    `argv[0]` is looked up in the PATH of `env`; `cwd` is a folder that exists.
    """

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str]


def apply_overrides(template: TaskTemplateMessage, overrides: OverridesMessage) -> None:
    """Writes a call's overrides into a copy of the template.

    The call is RunJob, the template the job's task template. A container override whose name matches nothing applies
    when there is one container.
    """
    if overrides.timeout.seconds or overrides.timeout.nanos:
        template.timeout.CopyFrom(overrides.timeout)
    for override in overrides.container_overrides:
        for container in template.containers:
            if len(template.containers) == 1 or container.name == override.name:
                _override_container(container, override)


def resolve_command(template: TaskTemplateMessage, table: ImageTable, inherited: Mapping[str, str]) -> Command:
    """The command of the execution's one container.

    FAILED_PRECONDITION when it cannot run here, saying why.
    """
    if len(template.containers) > 1:
        raise ApiError(
            Code.UNIMPLEMENTED,
            f"template.template.containers: the emulator runs one container a task, this job has "
            f"{len(template.containers)} (sidecars are kept and shown, and not run).",
        )
    container = template.containers[0]
    image = table.find(container.image)
    if image is None:
        raise ApiError(Code.FAILED_PRECONDITION, unknown_image(container.image, table))
    argv = (
        (*container.command, *container.args)
        if container.command
        else (*image.entrypoint, *(container.args or image.cmd))
    )
    if not argv:
        raise ApiError(
            Code.FAILED_PRECONDITION, f"Image '{container.image}' has no entrypoint and the container no command."
        )
    allowed = (*INHERITED, *table.pass_env)
    env = {name: inherited[name] for name in allowed if name in inherited}
    env.update(image.env)
    env.update(_container_env(container, table))
    return Command(argv, container.working_dir or image.cwd, env)


def unknown_image(reference: str, table: ImageTable) -> str:
    """Says which image is not there, and which are."""
    return f"Image '{reference}' not found. The image table has: {table.describe()}."


def task_variables(name: ExecutionName, task_index: int, task_count: int, attempt: int) -> dict[str, str]:
    """What Cloud Run sets for an attempt of a task.

    Index and attempt count from 0.
    """
    return {
        "CLOUD_RUN_JOB": name.job,
        "CLOUD_RUN_EXECUTION": name.execution,
        "CLOUD_RUN_TASK_INDEX": str(task_index),
        "CLOUD_RUN_TASK_COUNT": str(task_count),
        "CLOUD_RUN_TASK_ATTEMPT": str(attempt),
    }


def _override_container(container: ContainerMessage, override: OverridesMessage) -> None:
    if override.clear_args or override.args:
        container.ClearField("args")
        container.args.extend(override.args)
    for variable in override.env:
        same = [existing for existing in container.env if existing.name == variable.name]
        (same[0] if same else container.env.add()).CopyFrom(variable)


def _container_env(container: ContainerMessage, table: ImageTable) -> dict[str, str]:
    env: dict[str, str] = {}
    for variable in container.env:
        if variable.WhichOneof("values") != "value_source":
            env[variable.name] = variable.value
            continue
        secret = variable.value_source.secret_key_ref.secret.rpartition("/")[2]
        if secret not in table.secrets:
            raise ApiError(
                Code.FAILED_PRECONDITION,
                f"Secret '{secret}' of variable {variable.name} is not in the [secrets] of the image table.",
            )
        env[variable.name] = table.secrets[secret]
    return env
