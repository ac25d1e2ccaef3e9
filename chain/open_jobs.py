"""Where a run's jobs run: on an emulator that the environment names, on Cloud Run, or on this machine.

All three are driven by the same adapter over Google's own client, which costs a second or so to import: only here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from chain.cloud_settings import CONFIG_ARGUMENT, plan_secrets, plan_settings
from chain.job_environment import plan_environments
from chain.jobs import JobName, JobsApi, Overrides
from staging.cancel import Cancel
from staging.config import Pipeline
from staging.progress import VARIABLE as PROGRESS_VARIABLE

EMULATOR_VARIABLE = "RUN_EMULATOR_HOST"
_STORAGE_VARIABLE = "STORAGE_EMULATOR_HOST"
_LOCAL = "local"


@dataclass(frozen=True, slots=True)
class OpenedJobs:
    """The jobs, and what they are to be given as `--config`."""

    jobs: JobsApi
    config: str


@contextmanager
def open_jobs(
    pipeline: Pipeline,
    config: Path,
    cancel: Cancel,
    *,
    environ: Mapping[str, str],
    overrides: Sequence[str],
    logs: Path,
) -> Iterator[OpenedJobs]:
    """Give the jobs of a pipeline. RUN_EMULATOR_HOST wins over `cloud.project`; without both they run here.

    `logs` is where attempts that run here write.
    """
    if environ.get(EMULATOR_VARIABLE):
        with _on_emulator(pipeline, cancel, environ) as jobs:
            yield OpenedJobs(jobs, CONFIG_ARGUMENT)
    elif pipeline.cloud.project is not None:
        with _on_cloud_run(pipeline, cancel) as jobs:
            yield OpenedJobs(jobs, CONFIG_ARGUMENT)
    else:
        from chain.emulated_jobs import open_emulated_jobs  # noqa: PLC0415 - see above

        environments = plan_environments(pipeline, environ, overrides)
        with open_emulated_jobs(pipeline, environments, logs, cancel) as jobs:
            yield OpenedJobs(jobs, str(config.absolute()))


@contextmanager
def _on_cloud_run(pipeline: Pipeline, cancel: Cancel) -> Iterator[JobsApi]:
    variables = plan_settings(pipeline, storage_is_local=False)
    secrets = _plan_all_secrets(pipeline)
    from chain.cloudrun import JobSettings, open_cloud_run_jobs  # noqa: PLC0415 - see above
    from chain.cloudrun_place import Place  # noqa: PLC0415 - goes with it

    place = Place(str(pipeline.cloud.project), str(pipeline.cloud.region))
    settings = JobSettings(secrets=secrets, environment_of=_environment_of(variables))
    with open_cloud_run_jobs(pipeline, place, cancel, settings) as jobs:
        yield jobs


@contextmanager
def _on_emulator(pipeline: Pipeline, cancel: Cancel, environ: Mapping[str, str]) -> Iterator[JobsApi]:
    from chain.cloudrun_place import Place, parse_emulator  # noqa: PLC0415 - goes with the adapter

    address = parse_emulator(environ[EMULATOR_VARIABLE])
    variables = plan_settings(pipeline, storage_is_local=True)
    extra = {PROGRESS_VARIABLE: "1"}
    if storage := environ.get(_STORAGE_VARIABLE):
        extra[_STORAGE_VARIABLE] = storage
    secrets = _plan_all_secrets(pipeline)
    from chain.cloudrun import JobSettings, open_cloud_run_jobs  # noqa: PLC0415 - see above
    from chain.emulator_logs import EmulatorLogs  # noqa: PLC0415 - only here

    place = Place(pipeline.cloud.project or _LOCAL, pipeline.cloud.region or _LOCAL, address)
    settings = JobSettings(
        secrets=secrets,
        environment_of=_environment_of({job: each | extra for job, each in variables.items()}),
        logs=EmulatorLogs(address),
    )
    with open_cloud_run_jobs(pipeline, place, cancel, settings) as jobs:
        yield jobs


def _plan_all_secrets(pipeline: Pipeline) -> dict[JobName, dict[str, str]]:
    """Only of jobs that the chain deploys: whoever deploys the others gives them their secrets."""
    images: dict[JobName, str | None] = {
        "exporter": pipeline.cloud.images.exporter,
        "processor": pipeline.cloud.images.processor,
        "loader": pipeline.cloud.images.loader,
    }
    return {job: plan_secrets(pipeline, job) for job, image in images.items() if image is not None}


def _environment_of(
    variables: Mapping[JobName, Mapping[str, str]],
) -> Callable[[JobName, Overrides], Mapping[str, str]]:
    return lambda job, _: variables[job]
