"""A deployment as plain values.

It says what every format spells, not how.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chain.deploy.alert import plan_alert
from chain.deploy.complete import JOBS, REPOSITORY, account_id, bucket_of, complete, registry_of
from chain.deploy.grants import SCHEDULER, Grant, plan_grants, scheduler_account
from chain.deploy.jobs import DeployedDefinition, describe_night, plan_jobs
from chain.deploy.schedule import Schedule, plan_schedule
from staging.config.pipeline import Pipeline

SOFT_DELETE_SECONDS = 7 * 24 * 3600
"""How long Cloud Storage keeps what somebody deleted or overwrote: its own default, at its price."""

_SERVICES = ("run", "cloudscheduler", "secretmanager", "artifactregistry", "monitoring", "storage", "iam")


@dataclass(frozen=True, slots=True)
class Account:
    """A service account that is created.

    Of a job, or of the scheduler.
    """

    part: str
    account_id: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a deployment consists of.

    `repository` is None where every image lies in a registry that is not this project's. `buckets` are those the
    pipeline writes to; they are created. What it only reads is somebody else's.
    """

    pipeline: str
    project: str
    region: str
    services: tuple[str, ...]
    buckets: tuple[str, ...]
    repository: str | None
    accounts: tuple[Account, ...]
    jobs: tuple[DeployedDefinition, ...]
    grants: tuple[Grant, ...]
    schedule: Schedule
    night: str
    scheduler_account: str
    scheduler_id: str
    alert: dict[str, Any]
    secrets: tuple[str, ...]


def plan_deployment(pipeline: Pipeline) -> Deployment:
    """Return the deployment of a pipeline; InputError for what can't be deployed."""
    whole = complete(pipeline)
    cloud = whole.cloud
    grants = plan_grants(whole)
    return Deployment(
        pipeline=whole.name,
        project=str(cloud.project),
        region=str(cloud.region),
        services=_services(whole),
        buckets=_buckets(whole),
        repository=_repository(whole),
        accounts=_accounts(pipeline),
        jobs=tuple(plan_jobs(whole)),
        grants=tuple(grants),
        schedule=plan_schedule(whole),
        night=describe_night(whole),
        scheduler_account=scheduler_account(whole),
        scheduler_id=account_id(whole, "nightly"),
        alert=plan_alert(whole),
        secrets=tuple(sorted({grant.name for grant in grants if grant.kind == "secret"})),
    )


def _services(pipeline: Pipeline) -> tuple[str, ...]:
    names = [*_SERVICES, *(["sqladmin"] if pipeline.cloud.cloudsql_instances else [])]
    names += ["vpcaccess"] if pipeline.cloud.vpc.connector else []
    names += ["compute"] if pipeline.cloud.vpc.network or pipeline.cloud.vpc.subnetwork else []
    return tuple(f"{name}.googleapis.com" for name in sorted(names))


def _buckets(pipeline: Pipeline) -> tuple[str, ...]:
    written = [pipeline.staging.url, *([pipeline.target.parquet] if pipeline.target.parquet is not None else [])]
    return tuple(sorted({bucket_of(url) for url in written}))


def _repository(pipeline: Pipeline) -> str | None:
    registry = registry_of(pipeline.cloud) + "/"
    own = sorted(
        image.removeprefix(registry).partition("/")[0]
        for image in (str(getattr(pipeline.cloud.images, job)) for job in JOBS)
        if image.startswith(registry)
    )
    return REPOSITORY if REPOSITORY in own else (own[0] if own else None)


def _accounts(pipeline: Pipeline) -> tuple[Account, ...]:
    """Return those that the file does not name: a named one is there already."""
    parts = [job for job in JOBS if getattr(pipeline.cloud, job).service_account is None]
    return tuple(
        Account(part, account_id(pipeline, part), f"Penstock {pipeline.name}: {part}") for part in (*parts, SCHEDULER)
    )
