"""The calendar of a pipeline.

It reads every day that a command takes.
"""

from __future__ import annotations

from datetime import date, datetime

from staging.config.pipeline import Pipeline
from staging.hours.name import Hour
from staging.window import Calendar, check_begins, load_zone


def calendar_of(pipeline: Pipeline, now: datetime) -> Calendar:
    """Return the calendar of `source.timezone`, where days turn `export.grace_seconds` after midnight."""
    return Calendar(load_zone(pipeline.source.timezone), now, pipeline.export.grace_seconds)


def read_window(pipeline: Pipeline, now: datetime, text: str) -> date:
    """Return the one window that the command line names.

    InputError for a day where windows are hours, an hour where they are days, and a day that no window begins with.
    """
    day = calendar_of(pipeline, now).read_day(text)
    check_begins(day, pipeline.source.window)
    return day


def is_day_of_hours(pipeline: Pipeline, now: datetime, text: str) -> bool:
    """Return whether a day is named, and each window is an hour."""
    return pipeline.source.window == "hour" and not isinstance(calendar_of(pipeline, now).read_day(text), Hour)
