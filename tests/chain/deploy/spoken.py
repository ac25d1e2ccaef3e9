"""What a file of a deployment says, read back by other means than it was written with."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from google.cloud import run_v2

Resources = dict[str, dict[str, dict[str, Any]]]
COMPLETIONS = Path("/usr/lib/google-cloud-sdk/data/cli/gcloud_completions.py")
_ANYWHERE = {"--format", "--project", "--quiet"}


def resources_of(text: str) -> Resources:
    """The resources of a `.tf.json`, each literal text as Terraform would understand it."""
    found: Resources = _literal(json.loads(text)["resource"])
    return found


def _literal(value: Any) -> Any:
    if isinstance(value, dict):
        return {_literal(key): _literal(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_literal(each) for each in value]
    if isinstance(value, str):
        return value.replace("$${", "${").replace("%%{", "%{")
    return value


def job_of_resource(resource: dict[str, Any]) -> run_v2.Job:
    """The job that the provider would send to the API."""
    execution = resource["template"]
    task = execution["template"]
    (container,) = task["containers"]
    return run_v2.Job(
        labels=resource["labels"],
        template=run_v2.ExecutionTemplate(
            labels=execution["labels"],
            parallelism=execution.get("parallelism", 0),
            task_count=execution.get("task_count", 0),
            template=run_v2.TaskTemplate(
                max_retries=task["max_retries"],
                service_account=task["service_account"],
                timeout=_seconds(task["timeout"]) if "timeout" in task else None,
                vpc_access=_network(task["vpc_access"]) if "vpc_access" in task else None,
                volumes=[
                    run_v2.Volume(
                        name=volume["name"],
                        cloud_sql_instance=run_v2.CloudSqlInstance(instances=volume["cloud_sql_instance"]["instances"]),
                    )
                    for volume in task.get("volumes", [])
                ],
                containers=[
                    run_v2.Container(
                        image=container["image"],
                        args=container.get("args", []),
                        env=[_variable(each) for each in container.get("env", [])],
                        resources=run_v2.ResourceRequirements(limits=container["resources"]["limits"])
                        if "resources" in container
                        else None,
                        volume_mounts=[
                            run_v2.VolumeMount(name=mount["name"], mount_path=mount["mount_path"])
                            for mount in container.get("volume_mounts", [])
                        ],
                    )
                ],
            ),
        ),
    )


def _seconds(text: str) -> timedelta:
    return timedelta(seconds=float(text.removesuffix("s")))


def _variable(each: dict[str, Any]) -> run_v2.EnvVar:
    if "value_source" not in each:
        return run_v2.EnvVar(name=each["name"], value=each["value"])
    return _secret(each["name"], **each["value_source"]["secret_key_ref"])


def _secret(name: str, secret: str, version: str) -> run_v2.EnvVar:
    selector = run_v2.SecretKeySelector(secret=secret, version=version)
    return run_v2.EnvVar(name=name, value_source=run_v2.EnvVarSource(secret_key_ref=selector))


def _network(access: dict[str, Any]) -> run_v2.VpcAccess:
    interface = run_v2.VpcAccess.NetworkInterface
    return run_v2.VpcAccess(
        connector=access.get("connector", ""),
        egress=getattr(run_v2.VpcAccess.VpcEgress, access["egress"]),
        network_interfaces=[
            interface(network=each.get("network", ""), subnetwork=each.get("subnetwork", ""))
            for each in access.get("network_interfaces", [])
        ],
    )


Command = tuple[list[str], dict[str, str]]

# In place of gcloud: notes its arguments, finds nothing to describe, and prints a name where one is asked for.
_RECORDER = """
gcloud() { printf '%s\\0' "$@" >>"$NOTES"; printf '\\1\\0' >>"$NOTES"
  case "$*" in *" describe "*) return 1;; *"channels create"*) echo projects/p/notificationChannels/1;; esac; }
"""


def commands_of(script: str, folder: Path) -> list[Command]:
    """Each gcloud command that bash makes of a script, as its words and its flags."""
    notes = folder / "gcloud-calls"
    notes.write_bytes(b"")
    lines = _RECORDER + script
    environ = {"NOTES": str(notes), "PATH": os.environ["PATH"]}
    subprocess.run(["bash", "-s", "ada@example.com"], input=lines, text=True, check=True, env=environ)
    found = []
    for call in notes.read_bytes().decode().split("\1\0")[:-1]:
        arguments = call.split("\0")[:-1]
        words = [each for each in arguments if not each.startswith("--")]
        flags = dict(each.partition("=")[::2] for each in arguments if each.startswith("--"))
        found.append((words, flags))
    return found


def job_of_command(flags: dict[str, str]) -> run_v2.Job:
    """The job that `gcloud run jobs deploy` would send to the API, with these flags."""
    labels = dict(pair.split("=", 1) for pair in flags["--labels"].split(","))
    env = [
        run_v2.EnvVar(name=pair.split("=", 1)[0], value=pair.split("=", 1)[1])
        for pair in _list(flags.get("--set-env-vars", ""))
    ]
    for pair in _list(flags.get("--set-secrets", "")):
        name, _, reference = pair.partition("=")
        secret, _, version = reference.rpartition(":")
        env.append(_secret(name, secret, version))
    instances = _list(flags.get("--set-cloudsql-instances", ""))
    container = run_v2.Container(image=flags["--image"], args=_list(flags.get("--args", "")), env=env)
    limits = {name: flags[f"--{name}"] for name in ("cpu", "memory") if f"--{name}" in flags}
    if limits:
        container.resources = run_v2.ResourceRequirements(limits=limits)
    task = run_v2.TaskTemplate(
        max_retries=int(flags["--max-retries"]),
        service_account=flags["--service-account"],
        timeout=_seconds(flags["--task-timeout"]),
        containers=[container],
    )
    if instances:
        source = run_v2.CloudSqlInstance(instances=instances)
        task.volumes = [run_v2.Volume(name="cloudsql", cloud_sql_instance=source)]
        task.containers[0].volume_mounts = [run_v2.VolumeMount(name="cloudsql", mount_path="/cloudsql")]
    if "--vpc-egress" in flags:
        access = {"egress": flags["--vpc-egress"].upper().replace("-", "_")}
        if "--vpc-connector" in flags:
            task.vpc_access = _network({**access, "connector": flags["--vpc-connector"]})
        else:
            interface = {"network": flags.get("--network", ""), "subnetwork": flags.get("--subnet", "")}
            task.vpc_access = _network({**access, "network_interfaces": [interface]})
    execution = run_v2.ExecutionTemplate(
        labels=labels, parallelism=int(flags["--parallelism"]), task_count=int(flags["--tasks"]), template=task
    )
    return run_v2.Job(labels=labels, template=execution)


def _list(text: str) -> list[str]:
    """A list as gcloud reads it: `^:^a:b` names its separator (`gcloud topic escaping`)."""
    if text.startswith("^"):
        _, separator, rest = text.split("^", 2)
        return rest.split(separator)
    return text.split(",") if text else []


def check_gcloud(words: list[str], flags: Iterable[str]) -> None:
    """Look a command up in the SDK's own table of commands and flags, where there is an SDK."""
    if not COMPLETIONS.exists():
        return
    tree = _gcloud_commands()
    node = tree
    for word in words:
        if word not in node.get("commands", {}):
            break
        node = node["commands"][word]
    assert not node.get("commands"), words
    assert set(flags) - set(node["flags"]) <= {*tree["flags"], *_ANYWHERE}, words


@cache
def _gcloud_commands() -> dict[str, Any]:
    found: dict[str, Any] = runpy.run_path(str(COMPLETIONS))["STATIC_COMPLETION_CLI_TREE"]
    return found
