"""Checks the transform and the place where jobs run.

It does not stop at the first fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from chain.jobs.cloud_settings import check_filled, plan_settings
from chain.jobs.open import EMULATOR_VARIABLE, find_place
from chain.jobs.port import JobName
from chain.jobs.settings import URLS
from exporter.inspect.doctor import SourceLook
from processor.alone.plan import plan_alone
from processor.find_transform import find_transform
from processor.transform import Contract, Day
from staging.config.pipeline import Pipeline
from staging.errors import InputError, PenstockError
from staging.process.finding import Finding, fault, warn, well
from staging.window import load_zone, plan_window, start_of

if TYPE_CHECKING:
    from chain.jobs.cloudrun.place import Place
    from chain.jobs.cloudrun.services import Clients


def examine_transform(
    pipeline: Pipeline, day: date, look: SourceLook, folders: Sequence[Path]
) -> tuple[Finding, Contract | None]:
    """Return the finding and what the transform promises.

    None where that is not known.
    """
    name, source = pipeline.process.name, pipeline.source
    try:
        transform = find_transform(pipeline.process, folders)
        if look.schema is None:
            fix = "Mend what is said of the source, and look again."
            return warn("transform", f"{name} is there; what it promises was not asked, without columns.", fix), None
        described = Day(
            day=day,
            timezone=source.timezone,
            window=plan_window(start_of(day, source.window), load_zone(source.timezone), source.window),
            pipeline=pipeline.name,
            key=source.key,
            time=source.time,
            columns=source.columns,
            schema=look.schema,
            table=source.leading_name,
            table_schemas=look.tables,
        )
        contract = plan_alone(transform, described, name=name).contract
    except PenstockError as error:
        return fault("transform", error), None
    proven = f"proves the sum of {', '.join(contract.conserves)}" if contract.conserves else "proves no sum"
    return well("transform", f"{name} returns {', '.join(contract.schema)}, and {proven}"), contract


def examine_jobs(pipeline: Pipeline, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the findings about the place where jobs run."""
    emulator = environ.get(EMULATOR_VARIABLE)
    if not emulator and pipeline.cloud.project is None:
        yield well("jobs", "run on this machine")
        return
    try:
        plan_settings(pipeline, storage_is_local=bool(emulator))
        for job in URLS:
            if emulator or getattr(pipeline.cloud.images, job) is not None:
                check_filled(pipeline, job)
        yield from _examine_place(pipeline, environ)
    except PenstockError as error:
        yield fault("jobs", error)


def _examine_place(pipeline: Pipeline, environ: Mapping[str, str]) -> Iterator[Finding]:
    from chain.jobs.cloudrun.clients import open_clients  # noqa: PLC0415 - a second or more, only here

    place = find_place(pipeline, environ)
    if place is None:
        return
    with open_clients(pipeline.cloud, place) as clients:
        for job in URLS:
            try:
                yield _examine_job(pipeline, place, clients, job)
            except PenstockError as error:
                yield fault(f"job {job}", error)


def _examine_job(pipeline: Pipeline, place: Place, clients: Clients, job: JobName) -> Finding:
    from chain.jobs.cloudrun.answers import NOT_FOUND  # noqa: PLC0415 - as above
    from chain.jobs.cloudrun.errors import call_errors, code_of, translate  # noqa: PLC0415 - as above
    from chain.jobs.cloudrun.place import plan_job_id  # noqa: PLC0415 - as above
    from chain.jobs.cloudrun.retry import CALL_SECONDS  # noqa: PLC0415 - as above

    job_id = getattr(pipeline.cloud, job).job or plan_job_id(pipeline.name, job)
    image = getattr(pipeline.cloud.images, job)
    try:
        clients.jobs.get_job(name=place.job(job_id), timeout=CALL_SECONDS)
    except call_errors() as error:
        if code_of(error) != NOT_FOUND:
            raise translate(error, place, f"look at the job {job_id}") from error
        if image is not None or place.emulator:
            return well(f"job {job}", f"{job_id} is made by the first run ({place})")
        raise InputError(
            f"There is no job {job_id} ({place}).",
            fix=f"Set cloud.images.{job} and the first run creates it, or name the one you deployed: cloud.{job}.job.",
        ) from error
    return well(f"job {job}", f"{job_id} is there ({place})")
