"""Decides who may do what.

The least that each account of a deployment needs, as one list that every format spells. To overwrite an object takes
storage.objects.delete beside create, and only an account that may list learns that an object is missing; hence
`objectUser` for an account that replaces a head, and creator and viewer for a processor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chain.deploy.complete import account_id, account_of, address_of, bucket_of
from chain.deploy.jobs import job_id_of
from chain.jobs.cloud_settings import plan_chain_secrets, plan_secrets
from chain.jobs.cloudrun.definition import split_secret
from chain.jobs.port import DeployedJob
from chain.jobs.settings import URLS
from staging.config.pipeline import Pipeline

SCHEDULER = "scheduler"
USER, VIEWER, CREATOR = "roles/storage.objectUser", "roles/storage.objectViewer", "roles/storage.objectCreator"
SECRET = "roles/secretmanager.secretAccessor"  # noqa: S105 - the name of a role
SQL, SQL_LOGIN = "roles/cloudsql.client", "roles/cloudsql.instanceUser"
EXECUTOR, JOB_VIEWER, INVOKER = "roles/run.jobsExecutorWithOverrides", "roles/run.viewer", "roles/run.invoker"


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One role on one thing for one account.

    `part` is its owner: a job, or the scheduler. `name` is a bucket, a job's id, `project/secret`, or a project.
    """

    kind: Literal["bucket", "job", "project", "secret"]
    name: str
    role: str
    part: str
    account: str


def plan_grants(pipeline: Pipeline) -> list[Grant]:
    """Return all grants of a complete pipeline, none twice.

    In a fixed order.
    """
    grants = {*_of_buckets(pipeline), *_of_secrets(pipeline), *_of_databases(pipeline), *_of_jobs(pipeline)}
    return sorted(grants)


def scheduler_account(pipeline: Pipeline) -> str:
    """Return the address of the scheduler's account.

    Cloud Scheduler starts the chain as this account.
    """
    return address_of(pipeline, account_id(pipeline, SCHEDULER))


def _of_buckets(pipeline: Pipeline) -> list[Grant]:
    staging = bucket_of(pipeline.staging.url)
    roles: list[tuple[str, str, DeployedJob]] = [
        (staging, USER, "exporter"),
        (staging, CREATOR, "processor"),
        (staging, VIEWER, "processor"),
        (staging, CREATOR, "loader"),
        (staging, VIEWER, "loader"),
        (staging, USER, "chain"),
    ]
    if pipeline.source.parquet is not None:
        readers: list[DeployedJob] = ["exporter", "chain"]
        readers += ["processor"] if pipeline.export.shard == "file" else []
        roles += [(bucket_of(pipeline.source.parquet), VIEWER, job) for job in readers]
    beside = {bucket_of(str(files.parquet)) for files in pipeline.source.files_beside.values()}
    of_files: list[DeployedJob] = ["exporter", "chain"]
    roles += [(bucket, VIEWER, job) for bucket in sorted(beside) for job in of_files]
    if pipeline.target.parquet is not None:
        roles += [(bucket_of(pipeline.target.parquet), USER, job) for job in ("loader", "chain")]
    held = {(bucket, job) for bucket, role, job in roles if role == USER}
    needed = [each for each in roles if each[1] == USER or (each[0], each[2]) not in held]
    return [Grant("bucket", bucket, role, job, account_of(pipeline, job)) for bucket, role, job in needed]


def _of_secrets(pipeline: Pipeline) -> list[Grant]:
    """The chain may read the others' secrets, too: `doctor` and `init` connect to both databases from its job."""
    read: list[tuple[DeployedJob, str]] = [
        (job, secret) for job in URLS for secret in plan_secrets(pipeline, job).values()
    ]
    read += [("chain", secret) for secret in plan_chain_secrets(pipeline).values()]
    return [Grant("secret", secret_name(pipeline, each), SECRET, job, account_of(pipeline, job)) for job, each in read]


def secret_name(pipeline: Pipeline, reference: str) -> str:
    """Return `project/secret` of what `[cloud.secrets]` says."""
    name = split_secret(reference)[0]
    if name.startswith("projects/"):
        _, project, _, name = name.split("/")
        return f"{project}/{name}"
    return f"{pipeline.cloud.project}/{name}"


def _of_databases(pipeline: Pipeline) -> list[Grant]:
    projects = {instance.rsplit(":", 2)[0] for instance in pipeline.cloud.cloudsql_instances}
    jobs: tuple[DeployedJob, ...] = ("exporter", "loader", "chain")
    by_token = {name for name, section in pipeline.databases().items() if section.login is not None}
    logins: list[DeployedJob] = [job for job in URLS if URLS[job] & by_token] + (["chain"] if by_token else [])
    wanted = [(project, SQL, job) for project in projects for job in jobs]
    wanted += [(project, SQL_LOGIN, job) for project in projects or {str(pipeline.cloud.project)} for job in logins]
    return [Grant("project", project, role, job, account_of(pipeline, job)) for project, role, job in wanted]


def _of_jobs(pipeline: Pipeline) -> list[Grant]:
    chain = account_of(pipeline, "chain")
    started = [
        Grant("job", job_id_of(pipeline, job), role, "chain", chain) for job in URLS for role in (EXECUTOR, JOB_VIEWER)
    ]
    night = Grant("job", job_id_of(pipeline, "chain"), INVOKER, SCHEDULER, scheduler_account(pipeline))
    return [*started, night]
