"""Brings days to what the source has.

It compares them, then does what each needs, and tries again those that could not be had. All state is in the documents
of the days, so the next command resumes one that was cut short.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from chain.asked import Asked
from chain.changed.look import compare_days
from chain.cli_options import environment, log_folder, progress_mode
from chain.day.end_in_time import end_in_time
from chain.day.patience import Patience, may_be_tried_again
from chain.day.report import Report
from chain.day.run import run_day
from chain.day.state import read_day_state
from chain.history.remember import remembering
from chain.jobs.open import open_jobs
from chain.keep.choose import NOT_OVER, UNFINISHED, Step, choose_step
from chain.keep.differences import find_differences
from chain.keep.kept import KeptDay
from chain.notify.teller import Teller
from chain.range.backfill import DaysAtOnce, run_days
from chain.range.linked_cancel import CancelGroup
from chain.range.one_start import OneStartAtATime
from chain.range.open_days import SharedByDays
from chain.range.outcome import DayOutcome
from chain.views.open import open_days_view
from chain.views.range_view import DaysView
from exporter.compare.days import DayCompared
from staging.documents.exports import find_current_manifest
from staging.errors import ExitCode, IntegrityError, InterruptedRunError, UnavailableError
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.watched import run_watched
from staging.store import Store
from staging.window import load_zone, plan_window

_KEEPING = DaysAtOnce(1, keep_going=True)


@dataclass(frozen=True, slots=True)
class Keeping:
    """What the command line asks for, and whom it notifies."""

    config: Path
    days: Sequence[date]
    logs: Path | None
    budget_seconds: float | None
    teller: Teller
    say: Callable[[str], None]


def keep_days(keeping: Keeping, patience: Patience, cancel: Cancel) -> list[KeptDay]:
    """Return the outcome of each day, in their order.

    A further try takes only days that another try may help. It raises only if no day was begun, before a row is read:
    InputError for a source that days can't be compared with, InterruptedRunError when asked to end, or
    UnavailableError.
    """
    kept: dict[date, KeptDay] = {}

    def attempt() -> None:
        waiting = [day for day in keeping.days if day not in kept or _may_be_tried_again(kept[day])]
        kept.update((day.day, day) for day in _keep_once(replace(keeping, days=waiting), cancel))
        if left := [day for day in kept.values() if _may_be_tried_again(day)]:
            raise UnavailableError(f"{len(left)} of {len(kept)} days could not be kept now.", why=left[0].why)

    try:
        patience.persist(attempt)
    except UnavailableError:
        if not kept:
            raise
    return [kept[day] for day in keeping.days]


def _may_be_tried_again(day: KeptDay) -> bool:
    return day.error is not None and may_be_tried_again(day.error)


def _keep_once(keeping: Keeping, cancel: Cancel) -> list[KeptDay]:
    with end_in_time(cancel), open_store(keeping.teller.pipeline.staging.url) as store:
        planned = run_watched(lambda: _plan(keeping, store, cancel), cancel)
        ended = _work(keeping, store, planned, cancel)
        reports = [outcome.report for outcome in ended.values() if outcome.report is not None]
        differs = find_differences(store, reports, cancel, keeping.say)
    return [replace(day, ended=ended.get(day.day), difference=differs.get(day.day)) for day in planned]


def _plan(keeping: Keeping, store: Store, cancel: Cancel) -> list[KeptDay]:
    """Look at each day; compare those that were read when they were over."""
    pipeline, now = keeping.teller.pipeline, datetime.now(UTC)
    known = {day: step for day in keeping.days if (step := _find_known(keeping, store, day, now)) is not None}
    others = [day for day in keeping.days if day not in known]
    found = compare_days(pipeline, store, others, cancel, budget_seconds=keeping.budget_seconds, say=keeping.say)
    days = [KeptDay(day, step) for day, step in known.items()]
    days += [KeptDay(each.day, _choose(each, store, pipeline.name), each) for each in found]
    return sorted(days, key=lambda day: day.day)


def _find_known(keeping: Keeping, store: Store, day: date, now: datetime) -> Step | None:
    """Return what is to be done with a day without comparing it, or None."""
    pipeline = keeping.teller.pipeline
    end = plan_window(day, load_zone(pipeline.source.timezone), pipeline.source.window).end
    if now < end + timedelta(seconds=pipeline.export.grace_seconds):
        return NOT_OVER
    try:
        stored = find_current_manifest(store, DayNames(pipeline.name, day))
    except IntegrityError:  # comparing meets it, too, and reports it
        return None
    return UNFINISHED if stored is not None and stored.is_stale(now) else None


def _choose(compared: DayCompared, store: Store, pipeline: str) -> Step:
    try:
        return choose_step(compared, read_day_state(store, DayNames(pipeline, compared.day)))
    except IntegrityError:  # its run meets that, too, and fails alone
        return Step("run", "new")


def _work(keeping: Keeping, store: Store, planned: Sequence[KeptDay], cancel: Cancel) -> dict[date, DayOutcome]:
    steps = {day.day: day.step for day in planned if day.step.wish != "nothing"}
    if not steps:
        return {}
    pipeline, environ = keeping.teller.pipeline, environment()
    folder = log_folder(keeping.logs, pipeline.name, f"{keeping.days[0]}_{keeping.days[-1]}")
    with (
        open_days_view(sys.stderr, progress_mode(), list(steps)) as view,
        open_jobs(pipeline, keeping.config, cancel, environ=environ, logs=folder) as jobs,
        remembering(store, pipeline.name, lambda: datetime.now(UTC), keeping.say) as index,
    ):
        shared = SharedByDays(
            pipeline=pipeline,
            config=keeping.config,
            store=store,
            jobs=OneStartAtATime(jobs),
            cancels=CancelGroup(cancel),
            environ=environ,
            teller=keeping.teller,
            remembered=index,
            asked=Asked(read_once=True),
        )
        outcomes = run_days(
            list(steps),
            _run_one(shared, view, steps),
            _KEEPING,
            cancel,
            ended=lambda outcome: view.ended(_leave(outcome)),
        )
    return {outcome.day: _leave(outcome) for outcome in outcomes}


def _run_one(shared: SharedByDays, view: DaysView, steps: dict[date, Step]) -> Callable[[date], Report]:
    def run_one(day: date) -> Report:
        with view.open_day(day) as shown, shared.open_day(day, shown) as run:
            return run_day(run, fresh_export=steps[day].wish == "fresh export")

    return run_one


def _leave(outcome: DayOutcome) -> DayOutcome:
    """Mark a day as left for the next night if it can be had later, such as one that is being rewritten."""
    if outcome.exit_code is not ExitCode.UNAVAILABLE or isinstance(outcome.error, InterruptedRunError):
        return outcome
    return replace(outcome, outcome="left")
