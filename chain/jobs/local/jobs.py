"""Runs the jobs on this machine.

An emulator of Cloud Run inside this process, for as long as a run takes. The adapter that drives the cloud drives it,
too, but without a connection. The jobs are this installation's own modules; each has the chain's environment, without
the database URLs that it does not need. That environment goes to the emulator in its image table, so it is neither in
an argument nor in anything the emulator's API shows. Nobody else can reach the emulator: it listens nowhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jobs_emulator.protos  # before all that takes messages of Google's package: its clients stay out
from chain.jobs.cloudrun.answers import RefusedCallError
from chain.jobs.cloudrun.jobs import CloudRunJobs, JobSettings, Polling, direct_jobs
from chain.jobs.cloudrun.place import Place
from chain.jobs.cloudrun.services import Call
from chain.jobs.local.attached import STARTER_VARIABLE, attached_command
from chain.jobs.local.logs import EmulatedLogs
from chain.jobs.port import JobName, Overrides
from jobs_emulator.run.spawn import Spawn
from jobs_emulator.run.spawn import spawn as start_program
from staging.config.cloud import CloudConfig, CloudImages, CloudJob, CloudSingleJob
from staging.config.pipeline import AUTO, Pipeline
from staging.errors import UnavailableError
from staging.process.cancel import Cancel
from staging.process.progress import VARIABLE as PROGRESS_VARIABLE

JOBS: tuple[JobName, ...] = ("exporter", "processor", "loader")
_LOCAL = "local"  # project and region
_IN_PROCESS = "this process"
_MEMORY = "32Gi"  # the most Cloud Run knows: here the machine is the limit
_GRACE_SECONDS = 3.0
_POLLING = Polling(shortest_seconds=0.25, longest_seconds=0.5)
"""For somebody who watches: the end of an execution is seen at once."""

Command = Callable[[JobName], Sequence[str]]


def module_command(job: JobName) -> Sequence[str]:
    """Return how a job is started.

    By this very interpreter, so that all see the same installation.
    """
    return attached_command(job)


@contextmanager
def open_emulated_jobs(
    pipeline: Pipeline,
    environments: Mapping[JobName, Mapping[str, str]],
    logs: Path,
    cancel: Cancel,
    *,
    command: Command = module_command,
    spawn: Spawn | None = None,
) -> Iterator[CloudRunJobs]:
    """Yield the jobs of the pipeline as processes of this machine.

    None outlives this block, or this process. `environments` is all that each job's processes get besides Cloud Run's
    own variables. `logs` gets a file for each attempt; UnavailableError where it can't be written. `spawn` starts the
    processes, see `chain.jobs.local.warm_start`.
    """
    _make_folder(logs)
    cpus = available_cpus()
    seen = EmulatedLogs(logs, _LOCAL, _LOCAL)
    slots = cpus if pipeline.process.parallelism == AUTO else max(cpus, pipeline.process.parallelism)
    images = {_image(job): _describe_image(command(job), environments.get(job, {})) for job in JOBS}
    with jobs_emulator.start(
        images,
        slots=slots,
        grace_seconds=_GRACE_SECONDS,
        entries=seen.take,
        logs=logs,
        listening=False,
        spawn=spawn or start_program,
    ) as emulator:
        place = Place(_LOCAL, _LOCAL, _IN_PROCESS)
        settings = JobSettings(
            environment_of=_share_processors(cpus, environments),
            logs=seen,
            polling=_POLLING,
            await_end=_await_end_of(emulator),
        )
        yield direct_jobs(_deployed_here(pipeline), _calls_of(emulator), place, cancel, settings)


def _calls_of(emulator: jobs_emulator.Emulator) -> Call:
    def call(method: str, request: bytes, seconds: float) -> bytes:
        try:
            return emulator.call(method, request, seconds=seconds)
        except jobs_emulator.ApiError as error:
            raise RefusedCallError(error.http_status, error.message) from error

    return call


def _await_end_of(emulator: jobs_emulator.Emulator) -> Callable[[str, float], bool]:
    def await_end(execution: str, seconds: float) -> bool:
        try:
            emulator.await_end(execution, seconds=seconds)
        except jobs_emulator.ApiError:  # the next look says it
            return False
        return True

    return await_end


def available_cpus() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _image(job: JobName) -> str:
    return f"penstock-{job}"


def _describe_image(command: Sequence[str], environment: Mapping[str, str]) -> Mapping[str, Any]:
    own = {PROGRESS_VARIABLE: "1", STARTER_VARIABLE: str(os.getpid())}
    return {"entrypoint": list(command), "env": {**environment, **own}, "cwd": str(Path.cwd())}


def _deployed_here(pipeline: Pipeline) -> Pipeline:
    cloud = CloudConfig(
        project=_LOCAL,
        region=_LOCAL,
        images=CloudImages(**{job: _image(job) for job in JOBS}),
        exporter=CloudSingleJob(job="exporter", memory=_MEMORY),
        processor=CloudJob(job="processor", memory=_MEMORY),
        loader=CloudSingleJob(job="loader", memory=_MEMORY),
    )
    return pipeline.model_copy(update={"cloud": cloud})


def _share_processors(
    cpus: int, environments: Mapping[JobName, Mapping[str, str]]
) -> Callable[[JobName, Overrides], Mapping[str, str]]:
    """Each of the tasks that run at once would else start as many threads as there are processors."""

    def threads(job: JobName, overrides: Overrides) -> Mapping[str, str]:
        at_once = min(overrides.parallelism or cpus, overrides.task_count)
        chosen = environments.get(job, {}).get("POLARS_MAX_THREADS")
        return {"POLARS_MAX_THREADS": chosen or str(max(1, cpus // at_once))}

    return threads


def _make_folder(logs: Path) -> None:
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise UnavailableError(
            f"The logs of the jobs can't be written to {logs}.",
            why=exc.strerror or str(exc),
            fix="Name another folder with --logs.",
        ) from exc
