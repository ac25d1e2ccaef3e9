"""Fills in what a pipeline file leaves open of `[cloud]`.

Images and accounts. What the file names stays, and is yours.
"""

from __future__ import annotations

from chain.jobs.cloudrun.place import plan_name
from chain.jobs.port import DeployedJob
from staging.config.cloud import CloudConfig
from staging.config.pipeline import Pipeline
from staging.errors import InputError
from staging.version import VERSION

JOBS: tuple[DeployedJob, ...] = ("exporter", "processor", "loader", "chain")
REPOSITORY = "penstock"
_ACCOUNT_CHARACTERS = 30


def complete(pipeline: Pipeline) -> Pipeline:
    """Return the pipeline with an image and account for each job.

    InputError for what can't be deployed.
    """
    cloud = _checked(pipeline)
    accounts: dict[str, object] = {
        job: getattr(cloud, job).model_copy(update={"service_account": account_of(pipeline, job)}) for job in JOBS
    }
    images = cloud.images.model_copy(update={job: image_of(cloud, job) for job in JOBS})
    return pipeline.model_copy(update={"cloud": cloud.model_copy(update={**accounts, "images": images})})


def image_of(cloud: CloudConfig, job: DeployedJob) -> str:
    """Return the image that the file names, or our own.

    Ours is one of this version in the project's own registry.
    """
    named: str | None = getattr(cloud.images, job)
    return named or f"{registry_of(cloud)}/{REPOSITORY}/{job}:{VERSION}"


def registry_of(cloud: CloudConfig) -> str:
    """Return host and project of the project's Artifact Registry.

    In the region of the jobs.
    """
    return f"{cloud.region}-docker.pkg.dev/{str(cloud.project).replace(':', '/')}"


def account_of(pipeline: Pipeline, job: DeployedJob) -> str:
    """Return the address of a job's account.

    Of the one that the file names for the job, else of one that is created for it.
    """
    named: str | None = getattr(pipeline.cloud, job).service_account
    return named or address_of(pipeline, account_id(pipeline, job))


def account_id(pipeline: Pipeline, part: str) -> str:
    """Return the id of an account of this pipeline.

    6 to 30 characters.
    """
    return plan_name(pipeline.name, part, _ACCOUNT_CHARACTERS)


def address_of(pipeline: Pipeline, name: str) -> str:
    """Return the address of an account of the project.

    `example.com:shop` is `shop.example.com` there.
    """
    domain, found, project = str(pipeline.cloud.project).partition(":")
    return f"{name}@{f'{project}.{domain}' if found else domain}.iam.gserviceaccount.com"


def bucket_of(url: str) -> str:
    """Return the bucket of `gs://bucket/…`."""
    return url.removeprefix("gs://").partition("/")[0]


def _checked(pipeline: Pipeline) -> CloudConfig:
    cloud = pipeline.cloud
    if cloud.project is None:
        raise InputError(
            "The pipeline file does not say where to deploy it.",
            why="cloud.project is not set.",
            fix='Write below [cloud]: project = "your-project" and region = "europe-west1".',
        )
    if cloud.project.isdigit():
        raise InputError(
            f"cloud.project is {cloud.project}, the number of a project.",
            why="Addresses of service accounts are made of a project's id.",
            fix="Write its id: gcloud projects describe " + cloud.project + " --format='value(projectId)'",
        )
    return cloud
