"""Decides how a job should be defined on Cloud Run.

And how a stored definition becomes that. Pure: nothing is called. Only what the pipeline file says is written. What it
leaves open stays as it is stored, so that the service's defaults and what somebody set by hand are no difference.
Values count as equal when they mean the same (`1` and `1000m`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from google.cloud import run_v2
from google.protobuf import json_format

from chain.jobs.cloud_settings import plan_chain_secrets
from chain.jobs.cloudrun.equal import same_memory_or_cpu, same_name, same_secret
from chain.jobs.port import JobName, Overrides
from chain.jobs.settings import VARIABLE
from staging.config.cloud import CloudVpc
from staging.config.pipeline import Pipeline

PIPELINE_LABEL = "penstock-pipeline"
STEP_LABEL = "penstock-step"
CHAIN_SECONDS = 24 * 3600
"""The longest time of a night, where `cloud.chain.timeout_seconds` says no other."""

_SOCKETS = "cloudsql"
_EGRESS = {
    "private-ranges-only": run_v2.VpcAccess.VpcEgress.PRIVATE_RANGES_ONLY,
    "all-traffic": run_v2.VpcAccess.VpcEgress.ALL_TRAFFIC,
}


@dataclass(frozen=True, slots=True)
class WantedJob:
    """What the pipeline file says of a job.

    `parallelism` 0: as many tasks at once as there may be. `secrets` are variables and what of Secret Manager they
    hold, only those that are this job's business. `variables`, `arguments` and the timeout are the chain's own: other
    jobs get theirs with each execution.
    """

    image: str
    labels: Mapping[str, str]
    secrets: Mapping[str, str]
    cpu: str | None
    memory: str | None
    service_account: str | None
    vpc: CloudVpc | None
    cloudsql_instances: tuple[str, ...]
    parallelism: int
    max_retries: int
    variables: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    timeout_seconds: int | None = None


def plan_job(
    pipeline: Pipeline, job: JobName, image: str, overrides: Overrides, secrets: Mapping[str, str]
) -> WantedJob:
    """Return what the file says of the job.

    With the parallelism and retries that an execution asks for.
    """
    cloud = pipeline.cloud
    resources = {"exporter": cloud.exporter, "processor": cloud.processor, "loader": cloud.loader}[job]
    has_database = job != "processor"
    vpc = cloud.vpc if cloud.vpc.network or cloud.vpc.subnetwork or cloud.vpc.connector else None
    return WantedJob(
        image=image,
        labels={PIPELINE_LABEL: pipeline.name, STEP_LABEL: job},
        secrets=secrets,
        cpu=resources.cpu,
        memory=resources.memory,
        service_account=resources.service_account,
        vpc=vpc if has_database or cloud.vpc.processor else None,
        cloudsql_instances=cloud.cloudsql_instances if has_database else (),
        parallelism=overrides.parallelism or 0,
        max_retries=overrides.max_retries,
    )


def plan_chain(pipeline: Pipeline, image: str, pipeline_json: str, arguments: tuple[str, ...]) -> WantedJob:
    """Return what the file says of the chain's own job.

    `pipeline_json` is what it is to run. The service never tries it again, as it would do so whatever the exit code
    says: the chain is patient itself. It has the secrets and the network of exporter and loader, since `doctor` and
    `init` run in it, too.
    """
    cloud = pipeline.cloud
    single = Overrides(arguments=arguments, max_retries=0)
    planned = plan_job(pipeline, "exporter", image, single, plan_chain_secrets(pipeline))
    return replace(
        planned,
        labels={PIPELINE_LABEL: pipeline.name, STEP_LABEL: "chain"},
        cpu=cloud.chain.cpu,
        memory=cloud.chain.memory,
        service_account=cloud.chain.service_account,
        variables={VARIABLE: pipeline_json, **cloud.chain.variables},
        arguments=arguments,
        timeout_seconds=cloud.chain.timeout_seconds or CHAIN_SECONDS,
    )


def define(wanted: WantedJob, stored: run_v2.Job | None) -> run_v2.Job:
    """Return the stored definition with everything wanted in it.

    It equals `stored` where nothing is to be done.
    """
    job = run_v2.Job(stored) if stored is not None else run_v2.Job()
    execution = job.template
    for labels in (job.labels, execution.labels):
        labels.update(wanted.labels)
    execution.parallelism = wanted.parallelism
    execution.task_count = max(execution.task_count, wanted.parallelism)  # fewer tasks than at once is refused
    task = execution.template
    task.max_retries = wanted.max_retries
    if wanted.timeout_seconds:
        task.timeout = timedelta(seconds=wanted.timeout_seconds)
    if wanted.service_account:
        task.service_account = wanted.service_account
    if not task.containers:
        task.containers = [run_v2.Container()]
    container = task.containers[0]
    container.image = wanted.image
    if wanted.arguments and tuple(container.args) != wanted.arguments:
        container.args = list(wanted.arguments)
    _set_resources(container, wanted)
    _set_variables(container, wanted)
    _set_sockets(task, container, wanted)
    _set_network(task, wanted)
    return job


def _set_resources(container: run_v2.Container, wanted: WantedJob) -> None:
    limits = container.resources.limits
    for resource, amount in (("cpu", wanted.cpu), ("memory", wanted.memory)):
        if amount and not same_memory_or_cpu(limits.get(resource, ""), amount):
            limits[resource] = amount


def _set_variables(container: run_v2.Container, wanted: WantedJob) -> None:
    stored = {variable.name: variable for variable in container.env}
    plain = [run_v2.EnvVar(name=name, value=value) for name, value in wanted.variables.items()]
    kept = [stored[each.name] if stored.get(each.name) == each else each for each in plain]
    kept += [
        stored[name]
        if name in stored and same_secret(stored[name], *split_secret(secret))
        else _secret_variable(name, secret)
        for name, secret in wanted.secrets.items()
    ]
    if {variable.name for variable in kept} != set(stored) or any(stored[each.name] is not each for each in kept):
        container.env = kept


def _secret_variable(name: str, reference: str) -> run_v2.EnvVar:
    secret, version = split_secret(reference)
    selector = run_v2.SecretKeySelector(secret=secret, version=version)
    return run_v2.EnvVar(name=name, value_source=run_v2.EnvVarSource(secret_key_ref=selector))


def to_document(job: run_v2.Job) -> dict[str, Any]:
    """Return a definition as plain values.

    By the names of the API's fields; what is not set is not there.
    """
    document: dict[str, Any] = json_format.MessageToDict(run_v2.Job.pb(job), preserving_proto_field_name=True)
    for labels in (document["labels"], document["template"]["labels"]):
        _sort(labels)
    for container in document["template"]["template"]["containers"]:
        _sort(container.get("resources", {}).get("limits", {}))
    return document


def _sort(values: dict[str, Any]) -> None:
    """Protocol buffers keep their maps in no order; what is written is to be the same each time."""
    for key in sorted(values):
        values[key] = values.pop(key)


def split_secret(reference: str) -> tuple[str, str]:
    """`name`, `name:3` or `projects/p/secrets/name/versions/3` as (secret, version)."""
    secret, found, version = reference.partition("/versions/")
    if not found:
        secret, _, version = reference.partition(":")
    return secret, version or "latest"


def _set_sockets(task: run_v2.TaskTemplate, container: run_v2.Container, wanted: WantedJob) -> None:
    """Cloud SQL's sockets below `/cloudsql`, as a volume that only this module adds and takes away."""
    stored = next((volume for volume in task.volumes if volume.name == _SOCKETS), None)
    instances = list(stored.cloud_sql_instance.instances) if stored is not None else []
    if instances == list(wanted.cloudsql_instances):
        return
    volumes = [volume for volume in task.volumes if volume.name != _SOCKETS]
    mounts = [mount for mount in container.volume_mounts if mount.name != _SOCKETS]
    if wanted.cloudsql_instances:
        source = run_v2.CloudSqlInstance(instances=wanted.cloudsql_instances)
        volumes.append(run_v2.Volume(name=_SOCKETS, cloud_sql_instance=source))
        mounts.append(run_v2.VolumeMount(name=_SOCKETS, mount_path="/cloudsql"))
    task.volumes, container.volume_mounts = volumes, mounts


def _set_network(task: run_v2.TaskTemplate, wanted: WantedJob) -> None:
    if wanted.vpc is None:
        if "vpc_access" in task:
            del task.vpc_access
        return
    vpc, stored = wanted.vpc, task.vpc_access
    interface = stored.network_interfaces[0] if stored.network_interfaces else run_v2.VpcAccess.NetworkInterface()
    same = (
        same_name(stored.connector, vpc.connector or "")
        and (same_name(interface.network, vpc.network or "") or not vpc.network)
        and (same_name(interface.subnetwork, vpc.subnetwork or "") or not vpc.subnetwork)
        and stored.egress == _EGRESS[vpc.egress]
    )
    if same and bool(stored.network_interfaces) == (vpc.connector is None):
        return
    task.vpc_access = run_v2.VpcAccess(connector=vpc.connector or "", egress=_EGRESS[vpc.egress])
    if vpc.connector is None:
        task.vpc_access.network_interfaces = [
            run_v2.VpcAccess.NetworkInterface(network=vpc.network or "", subnetwork=vpc.subnetwork or "")
        ]
