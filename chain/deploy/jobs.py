"""Defines the four jobs of a deployment.

It uses the function by which a run defines its jobs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chain.day.job import single_task
from chain.deploy.complete import JOBS
from chain.jobs.cloud_settings import check_filled, plan_chain_setting, plan_secrets, plan_settings
from chain.jobs.cloudrun.definition import WantedJob, define, plan_chain, plan_job, to_document
from chain.jobs.cloudrun.place import plan_job_id
from chain.jobs.port import DeployedJob, JobName, Overrides
from chain.jobs.settings import CONFIG_ARGUMENT, URLS
from chain.views.figures import plural
from staging.config.pipeline import AUTO, Pipeline


@dataclass(frozen=True, slots=True)
class DeployedDefinition:
    """A job: its id and its definition.

    By the names of the API's fields.
    """

    job: DeployedJob
    job_id: str
    definition: dict[str, Any]

    @property
    def image(self) -> str:
        """Return the image that its container runs."""
        return str(self.definition["template"]["template"]["containers"][0]["image"])


def plan_jobs(pipeline: Pipeline) -> list[DeployedDefinition]:
    """Return the jobs of a complete pipeline.

    InputError for settings that can't work on Cloud Run.
    """
    plan_settings(pipeline, storage_is_local=False)
    for job in URLS:
        check_filled(pipeline, job)
    return [
        DeployedDefinition(job, job_id_of(pipeline, job), to_document(define(_wanted(pipeline, job), None)))
        for job in JOBS
    ]


def job_id_of(pipeline: Pipeline, job: DeployedJob) -> str:
    """Return the id that the file names, or one made.

    It is made of the pipeline's name.
    """
    named: str | None = getattr(pipeline.cloud, job).job
    return named or plan_job_id(pipeline.name, job)


def night_arguments(pipeline: Pipeline) -> tuple[str, ...]:
    """Return what the chain's job does each night.

    The newest day (hour, week, month) that is over, with patience; or the last days, where they are to be kept.
    """
    patience = ("--patience-seconds", str(pipeline.cloud.chain.patience_seconds))
    if (days := pipeline.cloud.schedule.keep_days) is not None:
        return ("keep", "--config", CONFIG_ARGUMENT, "--last", str(days), *patience)
    window = pipeline.source.window
    newest = ("--day", "yesterday") if window == "day" else (f"--{window}", "last")
    return ("run", "--config", CONFIG_ARGUMENT, *newest, "--wait", *patience)


def describe_night(pipeline: Pipeline) -> str:
    """Return in words what those arguments do."""
    if (days := pipeline.cloud.schedule.keep_days) is not None:
        return f"keeps the last {plural(days, 'day')} of {pipeline.name} as the source has them"
    return f"brings the newest {pipeline.source.window} of {pipeline.name} that is over to done"


def _wanted(pipeline: Pipeline, job: DeployedJob) -> WantedJob:
    image = str(getattr(pipeline.cloud.images, job))
    if job == "chain":
        return plan_chain(pipeline, image, plan_chain_setting(pipeline), night_arguments(pipeline))
    return plan_job(pipeline, job, image, _overrides(pipeline, job), plan_secrets(pipeline, job))


def _overrides(pipeline: Pipeline, job: JobName) -> Overrides:
    process = pipeline.process
    if job != "processor":
        return single_task()
    at_once = None if process.parallelism == AUTO else process.parallelism
    if at_once is not None and process.tasks != AUTO:
        at_once = min(at_once, process.tasks)
    return Overrides(arguments=(), parallelism=at_once, max_retries=process.max_retries)
