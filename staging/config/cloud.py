"""The `[cloud]` section: where jobs run, and their deployment.

It says where Cloud Run runs them. Without `project` it has no effect: the jobs run on this machine.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from staging.config.cloud_checks import (
    check_account,
    check_cpu,
    check_endpoint,
    check_instance,
    check_job_id,
    check_memory,
    check_project,
    check_region,
    check_secrets,
    check_time_of_day,
    check_variables,
)
from staging.config.section import Name, Section

JobId = Annotated[str, AfterValidator(check_job_id)]
Account = Annotated[str, AfterValidator(check_account)]
TimeoutSeconds = Annotated[int, Field(ge=1, le=604_800)]


class CloudImages(Section):
    """The image of each job.

    A job without one is deployed by somebody else: it is run, and never written.
    """

    exporter: Name | None = None
    processor: Name | None = None
    loader: Name | None = None
    chain: Name | None = None


class CloudJob(Section):
    """How one job is deployed.

    Its id, what a task may use, the account it runs as, and the variables that it alone gets.
    """

    job: JobId | None = None
    cpu: Annotated[str, AfterValidator(check_cpu)] | None = None
    memory: Annotated[str, AfterValidator(check_memory)] | None = None
    service_account: Account | None = None
    secrets: Annotated[dict[str, str], AfterValidator(check_secrets)] = Field(default_factory=dict)
    """Secrets that this job alone gets, besides those of `cloud.secrets`."""


class CloudSingleJob(CloudJob):
    """A job of one task.

    Its time limit is here; that of a processor is `process.timeout_seconds`.
    """

    timeout_seconds: TimeoutSeconds | None = None


class CloudChain(CloudSingleJob):
    """The chain as a job of its own, which `penstock deploy` writes.

    `patience_seconds`: for how long a day that could not be done now (exit code 20) is tried again.
    """

    patience_seconds: Annotated[int, Field(ge=0, le=604_800)] = 21_600
    variables: Annotated[dict[str, str], AfterValidator(check_variables)] = Field(default_factory=dict)
    """Where traces and lineage go; the other jobs get theirs with each execution."""


class CloudSchedule(Section):
    """When the night begins, in `source.timezone`, and its work.

    `keep_days`: how many days up to yesterday it keeps as the source has them; without it, it makes yesterday alone.
    """

    at: Annotated[str, AfterValidator(check_time_of_day)] = "04:00"
    keep_days: Annotated[int, Field(ge=1, le=366)] | None = None


class CloudVpc(Section):
    """The network through which jobs reach what is not public.

    For exporter and loader, and for the processor if it says so.
    """

    network: Name | None = None
    subnetwork: Name | None = None
    connector: Name | None = None
    egress: Literal["private-ranges-only", "all-traffic"] = "private-ranges-only"
    processor: bool = False

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.connector and (self.network or self.subnetwork):
            raise ValueError("a connector and a network exclude each other; the connector knows its network")
        return self


class CloudConfig(Section):
    """Cloud Run: project and region, images, and what each job needs there."""

    project: Annotated[str, AfterValidator(check_project)] | None = None
    region: Annotated[str, AfterValidator(check_region)] | None = None
    transport: Literal["grpc", "rest"] = "grpc"
    endpoint: Annotated[str, AfterValidator(check_endpoint)] | None = None
    cloudsql_instances: Annotated[tuple[Annotated[str, AfterValidator(check_instance)], ...], Field(strict=False)] = ()
    images: CloudImages = CloudImages()
    exporter: CloudSingleJob = CloudSingleJob()
    processor: CloudJob = CloudJob()
    loader: CloudSingleJob = CloudSingleJob()
    chain: CloudChain = CloudChain()
    schedule: CloudSchedule = CloudSchedule()
    manage_jobs: bool = True
    """Whether a run creates the jobs and keeps them as the file says; `penstock deploy` sets it to false."""
    vpc: CloudVpc = CloudVpc()
    secrets: Annotated[dict[str, str], AfterValidator(check_secrets)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _each_variable_once(self) -> Self:
        twice = sorted(self.chain.variables.keys() & (self.secrets.keys() | self.chain.secrets.keys()))
        if twice:
            raise ValueError(f"{twice[0]} is among the secrets and in chain.variables: take it out of one")
        return self

    @model_validator(mode="after")
    def _project_and_region(self) -> Self:
        if self.project is not None and self.region is None:
            raise ValueError("region is missing: Cloud Run jobs live in one, for example europe-west1")
        return self
