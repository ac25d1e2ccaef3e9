"""A range of business days, both ends inclusive."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from staging.errors import InputError
from staging.window import check_not_future, parse_day, plan_window

MAX_DAYS = 3_660
"""Ten years: more is a slip of the pen rather than a wish."""


def plan_days(first: str, last: str, zone: ZoneInfo, now: datetime, *, say: Callable[[str], None]) -> list[date]:
    """Return the days from `first` to `last` (`YYYY-MM-DD`, inclusive); InputError for a range that can't be meant.

    Days that the zone's clocks jumped over are left out, and `say` hears of it.
    """
    days = plan_range(first, last)
    check_not_future(days[-1], zone, now)
    return [day for day in days if _exists(day, zone, say)]


def plan_range(first: str, last: str) -> list[date]:
    """Return all days of the range, those to come included; InputError as above."""
    start, end = parse_day(first), parse_day(last)
    if start > end:
        raise InputError(
            f"The range begins after its end: {start} is later than {end}.",
            why="--from is the first day and --to the last one; both belong to the range.",
            fix=f"Write --from {end} --to {start}.",
        )
    if (count := (end - start).days + 1) > MAX_DAYS:
        raise InputError(
            f"The range has {count:,} days; {MAX_DAYS:,} at most are taken at once.",
            why="A longer one is a slip in a year, as a rule.",
            fix="Correct --from or --to, or do it in pieces.",
        )
    return [start + timedelta(days=number) for number in range(count)]


def _exists(day: date, zone: ZoneInfo, say: Callable[[str], None]) -> bool:
    try:
        plan_window(day, zone)
    except InputError as error:
        say(f"{error.what} It is left out.")
        return False
    return True
