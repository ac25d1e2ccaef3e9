"""Finds days that were read before they were over.

Such a day is unfinished, and read again as soon as it is over.
"""

from __future__ import annotations

from datetime import date, datetime

from chain.day.day_run import DayRun
from chain.day.state import DayState
from staging.config.pipeline import Pipeline
from staging.documents.exports import find_current_manifest, read_manifest, read_run_export
from staging.documents.manifest import Manifest
from staging.errors import UnavailableError
from staging.window import load_zone, plan_window


def is_stale(run: DayRun, state: DayState) -> bool:
    """Return whether a day was read too early and is over now.

    It looks at the export that the day uses, by this machine's clock. If the source's clock is behind, the day is read
    once more the next time.
    """
    if state.run is not None and state.has_export:
        export = read_run_export(run.store, run.names, state.run.run_id)
        manifest: Manifest | None = read_manifest(run.store, run.names, export)
    else:
        manifest = find_current_manifest(run.store, run.names)
    return manifest is not None and manifest.is_stale(run.now())


def check_closed(pipeline: Pipeline, day: date, now: datetime) -> None:
    """Raise UnavailableError where the day is not over by this machine's clock.

    The exporter asks the source's.
    """
    source = pipeline.source
    end = plan_window(day, load_zone(source.timezone), source.window).end
    if now < end:
        raise UnavailableError(
            f"{pipeline.name} {day} is not over.",
            why=f"It ends at {end:%F %T} UTC, and --require-closed was given.",
            fix="Try again then; without --require-closed it is read as it is now, and stays unfinished.",
        )


def check_finished(manifest: Manifest) -> None:
    """Raise UnavailableError where a stored export was read too early.

    Its day was not over then.
    """
    if manifest.unfinished:
        why = manifest.reading.not_over or f"the day ended at {manifest.window_end:%F %T} UTC"
        raise UnavailableError(
            f"The stored export of {manifest.day} is unfinished.",
            why=f"It was read at {manifest.as_of:%F %T} UTC, {why}, and --require-closed was given.",
            fix="`penstock run` reads the day again as soon as it is over.",
        )
