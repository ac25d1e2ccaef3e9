"""Opens a run of one day: its store, lease, jobs and view."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from chain.asked import Asked
from chain.calendar import calendar_of
from chain.cli_options import environment, log_folder, progress_mode
from chain.day.closed import check_closed
from chain.day.day_run import DayRun
from chain.day.end_in_time import end_in_time
from chain.day.hold_lease import hold_lease, new_lease
from chain.day.leased_jobs import LeasedJobs
from chain.day.note_failure import noted_failures
from chain.day.plan_transform import open_planner
from chain.day.trace import traced_day
from chain.history.remember import remembered
from chain.jobs.environment import plan_environments
from chain.jobs.open import find_place, open_jobs
from chain.lineage.day import lineage_of_day
from chain.notify.teller import Teller, telling
from chain.views.open import open_view
from staging.config.pipeline import Pipeline
from staging.documents.lease import DayLease
from staging.errors import InterruptedRunError
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import STOPPED, cancel_on_signals
from staging.window import check_not_future, plan_window

if TYPE_CHECKING:
    from chain.jobs.local.warm_start import SpawnJob


@contextmanager
def open_day_run(
    pipeline: Pipeline,
    config: Path,
    day_text: str,
    logs: Path | None,
    *,
    wait: bool = False,
    asked: Asked | None = None,
    spawn: SpawnJob | None = None,
) -> Iterator[DayRun]:
    """Check what needs no database, then yield a run.

    Everything that can be checked so. `config` is where the pipeline was read; it is not read again. Ctrl-C and SIGTERM
    end the run. A day that somebody else holds is refused, or with `wait` waited for. `spawn` as for `open_jobs`.
    """
    calendar = calendar_of(pipeline, _now())
    day = calendar.read_day(day_text)
    plan_window(day, calendar.zone, pipeline.source.window)
    check_not_future(day, calendar.zone, calendar.now)
    asked = asked or Asked()
    if asked.require_closed:
        check_closed(pipeline, day, _now())
    folder = log_folder(logs, pipeline.name, day.isoformat())
    names = DayNames(pipeline.name, day)
    lease = new_lease(_now(), pipeline.chain.lease_seconds, environment())
    of_tasks = plan_environments(pipeline, environment(), config)["processor"]
    is_here = find_place(pipeline, environment()) is None
    with (
        cancel_on_signals() as cancel,
        traced_day(environment(), pipeline.name, day) as trace,
        telling(Teller(pipeline, environment()), day) as teller,
        end_in_time(cancel),
        open_store(pipeline.staging.url) as store,
        open_view(sys.stderr, progress_mode(), day) as view,
        lineage_of_day(environment(), pipeline, names, store, now=_now, say=view.say) as lineage,
        remembered(store, names, _now, view.say),
        hold_lease(DayLease(store, names, lease, _now), cancel, view.say, wait=wait) as held,
        noted_failures(store, names, _now, view.say, by=lease.holder),
        open_planner(pipeline, names, store, config, environment=of_tasks, here=is_here) as planner,
        open_jobs(pipeline, config, cancel, environ=environment(), logs=folder, spawn=spawn) as jobs,
    ):
        try:
            yield DayRun(
                pipeline=pipeline,
                config=config.absolute(),
                day=day,
                store=store,
                jobs=LeasedJobs(jobs, held),
                cancel=cancel,
                watch=view.watch,
                say=view.say,
                now=_now,
                by=lease.holder,
                teller=teller,
                planner=planner,
                asked=asked,
                trace=trace,
                lineage=lineage,
            )
        except InterruptedRunError as error:
            if error.what != STOPPED:
                raise
            raise InterruptedRunError(
                STOPPED,
                why=f"Ctrl-C or SIGTERM. {pipeline.name} {day} in the target is whole: as it was before, or done.",
                fix="The same command goes on. After `--fresh-export`, `penstock resume` does, without reading again.",
            ) from error


def read_one_day(pipeline: Pipeline, day_text: str) -> str:
    """Return the day as `YYYY-MM-DD`, as it is meant now."""
    return calendar_of(pipeline, _now()).read_day(day_text).isoformat()


def _now() -> datetime:
    return datetime.now(UTC)
