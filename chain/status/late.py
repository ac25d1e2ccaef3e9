"""Decides whether the newest due day is loaded.

It should be loaded by now: absence of success, whatever the reason.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from chain.history.read import read_history, store_clock
from chain.history.view import format_loaded
from chain.status.day import DayStatus
from chain.status.read import StatusReader
from staging.config.pipeline import Pipeline
from staging.errors import InputError, LateError
from staging.window import Calendar, Span, load_zone, plan_window


def newest_due_day(now: datetime, zone: ZoneInfo, patience_seconds: int, span: Span = "day") -> date:
    """Return the newest day that has been over for so long.

    Of a week or month: its first day.
    """
    calendar = Calendar(zone, now, patience_seconds)
    if span != "day":
        return calendar.read_day(f"{span} last")
    day = calendar.read_day("yesterday")
    return day if _exists(day, zone) else day - timedelta(days=1)


def newest_due(pipeline: Pipeline, now: datetime) -> date:
    """Return the newest day of the pipeline that should be loaded."""
    patience = pipeline.export.grace_seconds + pipeline.notify.late_after_seconds
    return newest_due_day(now, load_zone(pipeline.source.timezone), patience, pipeline.source.window)


def check_loaded(reader: StatusReader, due: date) -> None:
    """Raise LateError where no run has loaded the day."""
    clock = store_clock(reader.store, reader.now)
    found = read_history(reader.store, reader.pipeline.name, first=due, last=due, now=clock)
    if due not in found.loaded_days:
        raise late(reader, reader.read(due))


def late(reader: StatusReader, status: DayStatus) -> LateError:
    """Return the error of a day that should be loaded.

    How far it is, and which day was loaded last.
    """
    found = read_history(reader.store, reader.pipeline.name, now=store_clock(reader.store, reader.now))
    why = "It was never run." if status.stage == "never run" else f"It is {status.stage}."
    if status.holder is not None:
        why = f"{why} {status.holder.holder} works on it."
    elif status.error is not None:
        why = f"{why} {status.error.what}"
    return LateError(
        f"{reader.pipeline.name} {status.day} is late.",
        why=f"{why} {format_loaded(found.loaded_days)}",
        fix=f"penstock run --day {status.day} brings it to done.",
    )


def _exists(day: date, zone: ZoneInfo) -> bool:
    """Return whether the zone's clocks did not jump over the day."""
    try:
        plan_window(day, zone)
    except InputError:
        return False
    return True
