"""Shows how far days are: once, or until they are at rest."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import click

from chain.calendar import calendar_of
from chain.cli_options import environment, line_characters, style_for_stdout
from chain.history.read import read_history, store_clock
from chain.history.view import format_loaded
from chain.jobs.look import open_lookout
from chain.notify.teller import Teller
from chain.range.dates import plan_range
from chain.status.day import DayStatus
from chain.status.late import check_loaded, newest_due
from chain.status.many import read_days
from chain.status.read import StatusReader
from chain.status.view import format_change, format_days
from chain.status.watch import ChangedDays, Look, watch_days, watch_on_terminal
from staging.config.file import load_pipeline
from staging.documents.comparisons import Comparison, read_comparisons
from staging.documents.pause_switch import read_pause_switch
from staging.errors import LateError, UsageError
from staging.hours.name import Hour
from staging.open_store import open_store
from staging.process.cancel import Cancel, cancel_on_signals
from staging.window import Calendar, Span, check_begins

_DAYS = 7
_DAYS_OF_HOURS = 2


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """Which days to show, and how.

    `day`, `first` and `last` are as `--day` takes them, or None.
    """

    config: Path
    overrides: Sequence[str]
    day: str | None
    first: str | None
    last: str | None
    as_json: bool
    watch: bool
    fail_if_late: bool = False


def show_status(request: StatusRequest) -> None:
    """Print how far the days are.

    Once, or until they are at rest.
    """
    pipeline = load_pipeline(request.config, environ=environment(), overrides=request.overrides)
    calendar = calendar_of(pipeline, datetime.now(UTC))
    days = choose_days(request, calendar, pipeline.source.window)
    with (
        cancel_on_signals() as cancel,
        open_store(pipeline.staging.url) as store,
        open_lookout(pipeline, environment(), cancel, lambda text: click.echo(text, err=True)) as lookout,
    ):
        if (switch := read_pause_switch(store, pipeline.name)) is not None and switch.paused:
            click.echo(f"{pipeline.name} is {switch.describe()}", err=True)
        reader = StatusReader(pipeline, store, lookout, lambda: datetime.now(UTC))

        def look() -> list[DayStatus]:
            compared = read_comparisons(store, pipeline.name)
            return [_with_comparison(day, compared.get(day.day)) for day in read_days(reader, days)]

        if request.watch:
            _watch(request, look, cancel)
        else:
            _print_once(request, look(), reader)
        if request.fail_if_late:
            _check_late(reader)


def _with_comparison(status: DayStatus, found: Comparison | None) -> DayStatus:
    """Add when the day was compared, if that was of the export that it has now."""
    return replace(status, compared=found) if found and found.export_id == status.export_id else status


def choose_days(request: StatusRequest, calendar: Calendar, span: Span = "day") -> list[date]:
    """Return the days that are asked for.

    One, a range, or the last seven, today included. Of an hourly pipeline one hour, or all of the days that have begun:
    of the last two, today included.
    """
    if request.day is not None:
        if request.first is not None or request.last is not None:
            raise UsageError("--day and --from/--to don't go together.", why="One day, or a range of days.")
        return _one(calendar.read_day(request.day), calendar, span)
    if request.first is None and request.last is not None:
        raise UsageError("--to needs --from.", why="It is the end of a range.")
    today = calendar.now.astimezone(calendar.zone).date()
    if request.first is None:
        days = [today - timedelta(days=back) for back in range(_DAYS_OF_HOURS if span == "hour" else _DAYS)]
    else:
        days = plan_range(calendar.read_day(request.first), calendar.read_day(request.last) if request.last else today)
    if span == "hour":
        days = [day for day in days if day <= today]
    return calendar.begun(days, span)


def _one(day: date, calendar: Calendar, span: Span) -> list[date]:
    if isinstance(day, Hour):
        check_begins(day, span)
        return [day]
    return calendar.begun([day], span)


def _check_late(reader: StatusReader) -> None:
    """Raise where the newest day that is due is not loaded, and notify the webhook."""
    due = newest_due(reader.pipeline, datetime.now(UTC))
    try:
        check_loaded(reader, due)
    except LateError as error:
        teller = Teller(reader.pipeline, environment())
        teller.note_late(due, error)
        teller.tell()
        raise


def _print_once(request: StatusRequest, days: Sequence[DayStatus], reader: StatusReader) -> None:
    if request.as_json:
        click.echo(json.dumps([day.to_json() for day in days], ensure_ascii=False))
        return
    columns = line_characters()
    if all(day.stage == "never run" and day.at_rest for day in days):
        days = _print_other_days(request, days, reader)
    click.echo(format_days(days, style=style_for_stdout(), columns=columns, whole=request.day is not None))


def _print_other_days(request: StatusRequest, days: Sequence[DayStatus], reader: StatusReader) -> Sequence[DayStatus]:
    """Say which days there are instead of those that were asked for; return those to show."""
    found = read_history(reader.store, reader.pipeline.name, now=store_clock(reader.store, reader.now))
    click.echo(format_loaded(found.loaded_days))
    if request.day is not None or request.first is not None or not found.days:
        return days
    return [reader.read(day.day) for day in found.days[-_DAYS:]]


def _watch(request: StatusRequest, look: Look, cancel: Cancel) -> None:
    if request.as_json:
        watch_days(look, ChangedDays(lambda day: click.echo(json.dumps(day.to_json(), ensure_ascii=False))), cancel)
    elif sys.stdout.isatty():
        watch_on_terminal(look, cancel, style_for_stdout())
    else:
        watch_days(look, ChangedDays(lambda day: click.echo(format_change(day))), cancel)
