"""Whether a row's time lies outside the business day."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from processor.transform import Day
from staging.window import Window, load_zone

_STEP = timedelta(minutes=15)  # every offset change of the IANA database since 1972 falls on such a step


def is_outside(day: Day, column_timezone: str) -> pl.Expr | None:
    """Return the condition on the time column, or None for types that hold no instant."""
    dtype, time = day.schema[day.time], pl.col(day.time)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        bounds = [pl.lit(instant, dtype=dtype) for instant in (day.window.start, day.window.end)]
        return (time < bounds[0]) | (time >= bounds[1])
    start, end = wall_bounds(day.window, load_zone(column_timezone))
    if isinstance(dtype, pl.Datetime):
        return (time < pl.lit(start, dtype=dtype)) | (time >= pl.lit(end, dtype=dtype))
    if dtype == pl.Date:
        return (time < pl.lit(start.date())) | (time > pl.lit((end - timedelta(microseconds=1)).date()))
    return None


def wall_bounds(window: Window, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the earliest (inclusive) and the latest (exclusive) that clocks in `zone` show during the window.

    Where clocks go back near its end, an hour is shown twice and can't be told apart: the bounds hold both.
    """
    steps = [window.start]
    while steps[-1] + _STEP < window.end:
        steps.append(steps[-1] + _STEP)
    ends = [min(step + _STEP, window.end) for step in steps]
    walls = [step.astimezone(zone).replace(tzinfo=None) for step in steps]
    return min(walls), max(wall + (end - step) for wall, step, end in zip(walls, steps, ends, strict=True))
