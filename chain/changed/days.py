"""Chooses the days of a range that may end yesterday."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from chain.range.dates import MAX_DAYS, plan_days
from staging.config.pipeline import Pipeline
from staging.errors import UsageError
from staging.window import Calendar


def choose_days(
    pipeline: Pipeline,
    calendar: Calendar,
    *,
    first: str | None,
    last: str | None,
    newest: int | None,
    say: Callable[[str], None],
) -> list[date]:
    """Return the days of the range, or the newest ones.

    From `first` to `last`, or the `newest` days up to yesterday. UsageError where neither or both are given, InputError
    for a range that can't be meant.
    """
    if (newest is None) == (first is None) or (last is not None and first is None):
        raise UsageError("Give --last, or --from and --to.", why="The newest days, or a range of days.")
    end = calendar.read_day(last or "yesterday")
    if newest is not None and newest > MAX_DAYS:
        raise UsageError(f"--last {newest} is more than {MAX_DAYS} days.", why="A slip of the pen, as a rule.")
    begin = end - timedelta(days=newest - 1) if newest is not None else calendar.read_day(str(first))
    return plan_days(begin, end, calendar, say=say, span=pipeline.source.window)
