"""A range of business days, both ends inclusive."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from staging.errors import InputError
from staging.hours.name import Hour, day_of
from staging.window import Calendar, Span, check_not_future, plan_window

MAX_DAYS = 3_660
"""Ten years: more is a typing error rather than a wish."""


def plan_days(
    first: date, last: date, calendar: Calendar, *, say: Callable[[str], None], span: Span = "day"
) -> list[date]:
    """Return the days from `first` to `last`, both inclusive.

    Of longer windows those around them, of hours all in them that have begun. InputError for a range that can't be
    meant. Days that the zone's clocks jumped over are left out, and `say` hears of it.
    """
    days = plan_range(first, last)
    if span in ("hour", "day"):
        check_not_future(days[-1], calendar.zone, calendar.now)
        days = [day for day in days if _exists(day, calendar, say)]
    windows = calendar.begun(days, span)
    if windows:
        check_not_future(windows[-1], calendar.zone, calendar.now)
    return windows


def plan_range(first: date, last: date) -> list[date]:
    """Return all days of the range.

    Those to come are included; InputError as above.
    """
    for day in (first, last):
        if isinstance(day, Hour):
            raise InputError(
                f"{day} is an hour.",
                why="A range is of days, and has all their hours.",
                fix=f"Write {day_of(day)}, or name one hour alone by --hour.",
            )
    if first > last:
        raise InputError(
            f"The range begins after its end: {first} is later than {last}.",
            why="--from is the first day and --to the last one; both belong to the range.",
            fix=f"Write --from {last} --to {first}.",
        )
    if (count := (last - first).days + 1) > MAX_DAYS:
        raise InputError(
            f"The range has {count:,} days; {MAX_DAYS:,} at most are taken at once.",
            why="A longer one is a slip in a year, as a rule.",
            fix="Correct --from or --to, or do it in pieces.",
        )
    return [first + timedelta(days=number) for number in range(count)]


def _exists(day: date, calendar: Calendar, say: Callable[[str], None]) -> bool:
    try:
        plan_window(day, calendar.zone)
    except InputError as error:
        say(f"{error.what} It is left out.")
        return False
    return True
