"""Decides where a run's jobs run.

On an emulator that the environment names, on Cloud Run, or on this machine. All three are driven by the same adapter
over Google's own client, which costs a second or so to import: only here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from chain.jobs.cloud_settings import check_filled, plan_secrets, plan_settings
from chain.jobs.cloudrun.place import Place, parse_emulator
from chain.jobs.environment import plan_environments
from chain.jobs.local.early_start import take_begun
from chain.jobs.local.job_modules import plan_modules
from chain.jobs.local.warm_start import open_warm_start
from chain.jobs.port import JobName, JobsApi
from chain.jobs.settings import URLS
from staging.config.cloud import CloudConfig, CloudImages
from staging.config.pipeline import Pipeline
from staging.process.cancel import Cancel
from staging.process.progress import VARIABLE as PROGRESS_VARIABLE

if TYPE_CHECKING:
    from chain.jobs.local.warm_start import SpawnJob

EMULATOR_VARIABLE = "RUN_EMULATOR_HOST"
_STORAGE_VARIABLE = "STORAGE_EMULATOR_HOST"
_LOCAL = "local"


@contextmanager
def open_jobs(
    pipeline: Pipeline,
    config: Path,
    cancel: Cancel,
    *,
    environ: Mapping[str, str],
    logs: Path,
    spawn: SpawnJob | None = None,
) -> Iterator[JobsApi]:
    """Yield the jobs of a pipeline.

    They have it in a variable (`chain.jobs.settings`). RUN_EMULATOR_HOST wins over `cloud.project`; without both they
    run here. `config` is where the pipeline was read, `logs` where attempts that run here write. `spawn` is what
    `open_warm_jobs` gave, where that was begun before.
    """
    place = find_place(pipeline, environ)
    if place is not None:
        with (
            _on_emulator(pipeline, place, cancel, environ) if place.emulator else _on_cloud_run(pipeline, place, cancel)
        ) as jobs:
            yield jobs
    else:
        with nullcontext(spawn) if spawn else open_warm_jobs(pipeline, config, environ) as spawn_job:
            # Google's client: while it is imported, the jobs' modules are, too.
            from chain.jobs.local.jobs import open_emulated_jobs  # noqa: PLC0415 - see above

            environments = plan_environments(pipeline, environ, config)
            with open_emulated_jobs(pipeline, environments, logs, cancel, spawn=spawn_job) as jobs:
                yield jobs


@contextmanager
def open_warm_jobs(pipeline: Pipeline, config: Path, environ: Mapping[str, str]) -> Iterator[SpawnJob | None]:
    """Begin to import what jobs on this machine import.

    Yields how they are started, None where they run elsewhere.

    The sooner it begins, the sooner it is ready; see `chain.jobs.local.warm_start`.
    """
    if find_place(pipeline, environ) is not None:
        if begun := take_begun():
            begun.end()
        yield None
        return
    with open_warm_start(plan_environments(pipeline, environ, config), plan_modules(pipeline)) as spawn:
        yield spawn


def find_place(pipeline: Pipeline, environ: Mapping[str, str]) -> Place | None:
    """Return where others can look at the jobs, too.

    None where they run inside the chain's own process.
    """
    cloud = pipeline.cloud
    if environ.get(EMULATOR_VARIABLE):
        from chain.jobs.local.token import find_emulator_token  # noqa: PLC0415 - only here

        address = parse_emulator(environ[EMULATOR_VARIABLE])
        token = find_emulator_token(address, environ)
        return Place(cloud.project or _LOCAL, cloud.region or _LOCAL, address, token)
    return Place(str(cloud.project), str(cloud.region)) if cloud.project is not None else None


@contextmanager
def _on_cloud_run(pipeline: Pipeline, place: Place, cancel: Cancel) -> Iterator[JobsApi]:
    variables = plan_settings(pipeline, storage_is_local=False)
    for job in _deployed_by_chain(pipeline.cloud):
        check_filled(pipeline, job)
    from chain.jobs.cloudrun.jobs import JobSettings, open_cloud_run_jobs  # noqa: PLC0415 - see above

    settings = JobSettings(secrets=_secrets(pipeline), environment_of=lambda job, _: variables[job])
    with open_cloud_run_jobs(pipeline, place, cancel, settings) as jobs:
        yield jobs


@contextmanager
def _on_emulator(pipeline: Pipeline, place: Place, cancel: Cancel, environ: Mapping[str, str]) -> Iterator[JobsApi]:
    variables = plan_settings(pipeline, storage_is_local=True)
    extra = {PROGRESS_VARIABLE: "1"}
    if storage := environ.get(_STORAGE_VARIABLE):
        extra[_STORAGE_VARIABLE] = storage
    pipeline = pipeline.model_copy(update={"cloud": _with_images(pipeline.cloud)})
    from chain.jobs.cloudrun.jobs import JobSettings, open_cloud_run_jobs  # noqa: PLC0415 - see above
    from chain.jobs.local.emulator_logs import EmulatorLogs  # noqa: PLC0415 - only here

    settings = JobSettings(
        secrets=_secrets(pipeline),
        environment_of=lambda job, _: {**variables[job], **extra},
        logs=EmulatorLogs(str(place.emulator), place.token),
    )
    with open_cloud_run_jobs(pipeline, place, cancel, settings) as jobs:
        yield jobs


def _with_images(cloud: CloudConfig) -> CloudConfig:
    """An emulator's image table has `penstock-exporter` and so on, unless the pipeline file names others."""
    images = {job: getattr(cloud.images, job) or f"penstock-{job}" for job in URLS}
    return cloud.model_copy(update={"images": CloudImages(**images)})


def _secrets(pipeline: Pipeline) -> dict[JobName, dict[str, str]]:
    return {job: plan_secrets(pipeline, job) for job in _deployed_by_chain(pipeline.cloud)}


def _deployed_by_chain(cloud: CloudConfig) -> list[JobName]:
    """The deployment of the other jobs gives them their secrets."""
    if not cloud.manage_jobs:
        return []
    return [job for job in URLS if getattr(cloud.images, job) is not None]
