"""Runs each day of a range, and reports all outcomes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import click

from chain.asked import Asked
from chain.calendar import calendar_of
from chain.cli_options import environment, line_characters, log_folder, progress_mode, style_for_stdout
from chain.day.end_in_time import end_in_time
from chain.day.report import Report
from chain.day.run import reprocess_day, resume_day, run_day
from chain.history.remember import remembering
from chain.jobs.open import open_jobs
from chain.notify.teller import Teller
from chain.range.backfill import DaysAtOnce, run_days
from chain.range.dates import plan_days
from chain.range.linked_cancel import CancelGroup
from chain.range.one_start import OneStartAtATime
from chain.range.open_days import SharedByDays
from chain.range.outcome import DayOutcome, find_worst
from chain.range.reprocessed import ReprocessedDays, begin_range, digest_logic
from chain.range.still_loaded import StillLoaded
from chain.views.backfill_table import format_outcomes, format_tally
from chain.views.open import open_days_view
from chain.views.range_view import DaysView
from staging.config.file import load_pipeline
from staging.config.layers import module_folders
from staging.config.pipeline import Pipeline
from staging.errors import ExitCode, PenstockError
from staging.names import BackfillNames
from staging.open_store import open_store
from staging.process.cancel import Cancel, cancel_on_signals
from staging.store import Store


class UnfinishedDaysError(PenstockError):
    """Not all days are done.

    It ends the process with the exit code of the worst.
    """

    def __init__(self, what: str, *, why: str, fix: str, exit_code: ExitCode) -> None:
        super().__init__(what, why=why, fix=fix)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class BackfillRequest:
    """What the command line asks for."""

    config: Path
    first: str
    last: str
    overrides: Sequence[str]
    logs: Path | None
    at_once: DaysAtOnce
    reprocess: bool
    anew: bool
    asked: Asked = field(default_factory=Asked)
    fresh_export: bool = False


def bring_to_done(request: BackfillRequest, *, as_json: bool) -> None:
    """Run each day and print the table.

    Raises where not all days are done.
    """
    began = time.monotonic()
    pipeline = load_pipeline(request.config, environ=environment(), overrides=request.overrides)
    calendar = calendar_of(pipeline, datetime.now(UTC))
    names = BackfillNames(pipeline.name, calendar.read_day(request.first), calendar.read_day(request.last))
    days = plan_days(
        names.first,
        names.last,
        calendar,
        say=lambda text: click.echo(text, err=True),
        span=pipeline.source.window,
    )
    with cancel_on_signals() as cancel:
        teller = Teller(pipeline, environment())
        try:
            outcomes = _work(request, names, days, cancel, teller)
        except PenstockError as error:  # before any day was begun
            teller.tell_of([(days[0], error)])
            raise
        teller.tell_of((outcome.day, outcome.error) for outcome in outcomes if outcome.error is not None)
    seconds = time.monotonic() - began
    if as_json:
        click.echo(json.dumps(_as_json(pipeline.name, outcomes, seconds), ensure_ascii=False))
    else:
        if sys.stdout.isatty() and sys.stderr.isatty():
            click.echo()  # between the bars and the table
        columns = line_characters()
        click.echo(format_outcomes(outcomes, style=style_for_stdout(), columns=columns))
        click.echo(format_tally(pipeline.name, outcomes, seconds))
        if early := [str(outcome.day) for outcome in outcomes if outcome.report and outcome.report.unfinished]:
            click.echo(f"Unfinished, read before they were over: {', '.join(early)}.")
    _check_all_done(pipeline.name, outcomes, cancel)


def _work(
    request: BackfillRequest, names: BackfillNames, days: Sequence[date], cancel: Cancel, teller: Teller
) -> list[DayOutcome]:
    pipeline = teller.pipeline
    folder = log_folder(request.logs, pipeline.name, f"{names.first}_{names.last}")
    environ = environment()
    with (
        end_in_time(cancel),
        open_store(pipeline.staging.url) as store,
        open_days_view(sys.stderr, progress_mode(), days) as view,
        open_jobs(pipeline, request.config, cancel, environ=environ, logs=folder) as jobs,
        remembering(store, pipeline.name, lambda: datetime.now(UTC), lambda text: click.echo(text, err=True)) as index,
    ):
        one_by_one = OneStartAtATime(jobs)
        shared = SharedByDays(
            pipeline=pipeline,
            config=request.config,
            store=store,
            jobs=one_by_one,
            cancels=CancelGroup(cancel),
            environ=environ,
            teller=teller,
            remembered=index,
            asked=request.asked,
            find_proof=StillLoaded(pipeline, store, one_by_one, days).find_logs,
        )
        is_anew = request.reprocess or request.fresh_export
        anew = _begin_range(request, pipeline, store, names) if is_anew else None
        run_one = _run_one(shared, view, anew, fresh_export=request.fresh_export)
        outcomes = run_days(days, run_one, request.at_once, cancel, ended=view.ended)
        if anew is not None and all(outcome.report is not None for outcome in outcomes):
            anew.end()
        return outcomes


def _run_one(
    shared: SharedByDays, view: DaysView, anew: ReprocessedDays | None, *, fresh_export: bool
) -> Callable[[date], Report]:
    """Return how a day is brought to done: where `anew` has it already, or nothing is anew, the ledger is asked."""

    def run_one(day: date) -> Report:
        with view.open_day(day) as shown, shared.open_day(day, shown) as run:
            if anew is None:
                return run_day(run, fresh_export=False)
            if fresh_export:
                return run_day(run, fresh_export=not anew.has_read(day))
            return resume_day(run) if anew.has(day) else reprocess_day(run)  # neither reads the source

    return run_one


def _begin_range(request: BackfillRequest, pipeline: Pipeline, store: Store, names: BackfillNames) -> ReprocessedDays:
    return begin_range(
        store,
        names,
        digest_logic(
            pipeline,
            module_folders(request.config, environment()),
            anew="fresh export" if request.fresh_export else "reprocess",
        ),
        datetime.now(UTC),
        anew=request.anew,
        say=lambda text: click.echo(text, err=True),
    )


def _check_all_done(pipeline: str, outcomes: Sequence[DayOutcome], cancel: Cancel) -> None:
    left = [outcome for outcome in outcomes if outcome.report is None]
    if not left:
        return
    worst = find_worst(outcomes)
    if worst is None or worst.error is None:
        cancel.check()
        return
    raise UnfinishedDaysError(
        f"{len(left)} of {len(outcomes)} days of {pipeline} are not done.",
        why=f"{worst.day}: {worst.error.what}",
        fix="The same command goes on with them: days that are done write nothing.",
        exit_code=worst.exit_code,
    )


def _as_json(pipeline: str, outcomes: Sequence[DayOutcome], seconds: float) -> dict[str, object]:
    worst = find_worst(outcomes)
    return {
        "pipeline": pipeline,
        "days": [outcome.to_json() for outcome in outcomes],
        "exit_code": int(worst.exit_code if worst else ExitCode.DONE),
        "seconds": round(seconds, 3),
    }
