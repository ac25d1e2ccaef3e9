"""A business day as two instants, computed once and used everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from staging.errors import InputError
from staging.hours.name import SPELLING, Hour, day_of, parse_hour
from staging.hours.read import read_hour
from staging.hours.zone import find_change, hour_around, hour_end, hours_before, hours_between

_RELATIVE = re.compile(r"today(?:-(0|[1-9][0-9]{0,4}))?")
_NAMED = re.compile(r"(?P<span>month|week|hour) (?P<which>.*)")

_DAY = timedelta(days=1)
Name = TypeVar("Name", bound=date)

Span = Literal["hour", "day", "week", "month"]
"""How long a window is. A week begins on Monday (ISO 8601), a month on its first day; see `staging.hours` for hours."""

_DECEMBER = 12
_FIRST_YEAR, _LAST_YEAR = 1000, 9998
"""MySQL's DATE begins in the first; what comes behind a window still has a date in the last."""


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` (inclusive) to `end` (exclusive), both aware and in UTC."""

    start: datetime
    end: datetime

    def hours(self) -> float:
        """Return the length in hours.

        23 or 25 at a change of daylight-saving time in most zones.
        """
        return (self.end - self.start) / timedelta(hours=1)


def load_zone(name: str) -> ZoneInfo:
    """Return the IANA time zone, or raise InputError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        raise InputError(
            f"There is no time zone {name!r}.",
            why="It is not in the IANA database.",
            fix="Use a name like Europe/Berlin or UTC.",
        ) from exc


def plan_window(day: date, zone: ZoneInfo, span: Span = "day") -> Window:
    """Return the window that begins with a business day, or the hour's.

    To the first instant of the next day, week or month. Where midnight does not exist (clocks jump over it) the day
    starts at the jump; where it exists twice, at the first of the two. A day the zone never had (Samoa's 2011-12-30) is
    empty: InputError.
    """
    check_begins(day, span)
    if isinstance(day, Hour):
        return _plan_hour(day, zone)
    window = Window(_first_instant(day, zone), _first_instant(next_start(day, span), zone))
    if window.start >= window.end:
        raise InputError(
            f"{day} does not exist in {zone.key}.",
            why="The zone's clocks jumped over that whole day.",
            fix="Choose another day.",
        )
    return window


def _plan_hour(hour: Hour, zone: ZoneInfo) -> Window:
    if (there := hour_around(hour.start, zone)) != hour:
        raise InputError(
            f"{hour} does not exist in {zone.key}.",
            why=f"Its clocks show {there.start:%H:%M} in the hour {there} then.",
            fix=f"Write {there}.",
        )
    return Window(hour.start.astimezone(UTC), hour_end(hour, zone))


def span_of(window: date) -> Literal["hour", "day"]:
    """Return what a window's name names.

    For weeks and months it is a day, their first one.
    """
    return "hour" if isinstance(window, Hour) else "day"


def windows_of(day: date, span: Span, zone: ZoneInfo) -> list[date]:
    """Return the names of the windows that begin on this day.

    The hours of a day, or the day itself; for weeks and months the window around it.
    """
    if span != "hour":
        return [start_of(day, span)]
    window = plan_window(day, zone)
    return list(hours_between(window.start, window.end, zone))


def window_around(instant: datetime, span: Span, zone: ZoneInfo) -> date:
    """Return the name of the window around an instant."""
    if span == "hour":
        return hour_around(instant, zone)
    return start_of(instant.astimezone(zone).date(), span)


def windows_before(day: date, span: Span, zone: ZoneInfo) -> Iterator[date]:
    """Yield the names of the windows before this one, newest first."""
    if isinstance(day, Hour):
        yield from hours_before(day, zone)
        return
    while day > date.min:
        day = start_of(day - timedelta(days=1), span)
        yield day


def start_of(day: date, span: Span) -> date:
    """Return the first day of the window around a day.

    Of its week or month; of a day itself.
    """
    if span == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if span == "week" else day


def next_start(day: date, span: Span) -> date:
    """Return the first day of the next window.

    Next is the one after the window that begins with `day`.
    """
    if span == "month":
        return date(day.year + day.month // _DECEMBER, day.month % _DECEMBER + 1, 1)
    return day + timedelta(days=7 if span == "week" else 1)


def days_within(day: date, span: Span) -> list[date]:
    """Return all days of the window that begins with `day`."""
    return [day + timedelta(days=number) for number in range((next_start(day, span) - day).days)]


def check_begins(day: date, span: Span) -> None:
    """Refuse a day that no window of this length begins with."""
    if isinstance(day, Hour) and span != "hour":
        raise InputError(
            f"{day} is an hour.", why=f"Each window of this pipeline is a {span}.", fix=f"Write --day {day_of(day)}."
        )
    if span == "hour" and not isinstance(day, Hour):
        raise InputError(
            f"{day} is a day.",
            why="Each window of this pipeline is an hour.",
            fix=f"Name one of its hours, for example --hour {day}T12.",
        )
    if (start := start_of(day, span)) != day:
        option = f"--month {day:%Y-%m}" if span == "month" else f"--week {day:%G-W%V}"
        raise InputError(
            f"{day} begins no {span}.",
            why=f"Each window of this pipeline is a {span}; the one around {day} begins on {start}.",
            fix=f"Write {option}.",
        )


def _first_instant(day: date, zone: ZoneInfo) -> datetime:
    # fold=0: the first of two midnights; in a gap it gives the offset before the jump, which maps a midnight that
    # does not exist to the instant as many minutes after the jump as the wall clock is past the gap's start.
    instant = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == datetime(day.year, day.month, day.day):  # noqa: DTZ001 - wall clock on purpose
        return instant
    # Midnight lies in a gap: the day starts where the offset changes.
    if (before := instant - _DAY).astimezone(zone).utcoffset() == instant.astimezone(zone).utcoffset():
        return find_change(instant, instant + _DAY, zone)
    return find_change(before, instant, zone)


def parse_day(text: str) -> date:
    """Parse `YYYY-MM-DD`; anything else is an InputError.

    An hour, spelled out with its offset, is taken, too.
    """
    if (hour := SPELLING.fullmatch(text)) is not None and hour["offset"] is not None:
        return _in_reach(parse_hour(text), text)
    try:
        day = date.fromisoformat(text)
    except ValueError as exc:
        raise InputError(
            f"{text!r} is not a day.",
            why=str(exc),
            fix="Write it as YYYY-MM-DD, for example 2026-11-14; commands also take today, yesterday and today-2.",
        ) from exc
    if text != day.isoformat():
        raise InputError(
            f"{text!r} is not a day.", why="Another spelling of a date.", fix=f"Write it as {day.isoformat()}."
        )
    return _in_reach(day, text)


def _in_reach(day: Name, text: str) -> Name:
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise InputError(
            f"{text} is out of reach.",
            why=f"Days lie in the years {_FIRST_YEAR} to {_LAST_YEAR}.",
            fix="Choose a day of these years.",
        )
    return day


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which day it is in a zone.

    A day begins when its midnight is `grace_seconds` ago. So `yesterday` is always a day that is over, grace included,
    and a night that begins at 00:05 and is tried again at 00:20 may mean two days: schedule it after the grace.
    """

    zone: ZoneInfo
    now: datetime
    grace_seconds: int

    @property
    def today(self) -> date:
        """The day that goes on, or has just ended.

        It ended less than the grace ago.
        """
        return (self.now - timedelta(seconds=self.grace_seconds)).astimezone(self.zone).date()

    def read_day(self, text: str) -> date:
        """Read `YYYY-MM-DD`, `today`, `yesterday` or `today-2`; anything else is an InputError.

        `month 2026-11`, `week 2026-W46`, `month last` and `week last` are the first day of that window. An hour is
        named by `hour 2026-11-14T09`, with its offset where it needs one, or is the `hour last` that is over.
        """
        if match := _NAMED.fullmatch(text):
            return self._read_named(match["span"], match["which"])
        if text == "yesterday":
            return self.today - timedelta(days=1)
        if match := _RELATIVE.fullmatch(text):
            return self.today - timedelta(days=int(match[1] or 0))
        return parse_day(text)

    def begun(self, days: Sequence[date], span: Span) -> list[date]:
        """Return the windows of these days, each once.

        In their order; of hours those that have begun.
        """
        names = {name for day in days for name in windows_of(day, span, self.zone)}
        return sorted(name for name in names if not isinstance(name, Hour) or name.start <= self.now)

    def _read_named(self, span: str, which: str) -> date:
        if span == "hour":
            over = self.now - timedelta(seconds=self.grace_seconds)
            last = next(hours_before(hour_around(over, self.zone), self.zone))
            return last if which == "last" else _in_reach(read_hour(which, self.zone), which)
        if which != "last":
            return parse_month(which) if span == "month" else parse_week(which)
        length: Span = "month" if span == "month" else "week"
        return start_of(start_of(self.today, length) - timedelta(days=1), length)


def parse_month(text: str) -> date:
    """Parse `YYYY-MM`, return its first day; anything else is an InputError."""
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text) or text.startswith("0000"):
        raise InputError(f"{text!r} is not a month.", fix="Write it as YYYY-MM, for example 2026-11.")
    return _in_reach(date(int(text[:4]), int(text[5:]), 1), text)


def parse_week(text: str) -> date:
    """Parse a week of ISO 8601, `YYYY-Www`, return its Monday.

    Anything else is an InputError.
    """
    if re.fullmatch(r"[0-9]{4}-W[0-9]{2}", text):
        with suppress(ValueError):
            return _in_reach(date.fromisocalendar(int(text[:4]), int(text[6:]), 1), text)
    raise InputError(f"{text!r} is not a week.", fix="Write it as YYYY-Www, for example 2026-W46.")


def check_not_future(day: date, zone: ZoneInfo, now: datetime) -> None:
    """Refuse a day that has not begun in its zone."""
    if isinstance(day, Hour):
        _check_begun(day, now)
        return
    today = now.astimezone(zone).date()
    if day > today:
        raise InputError(
            f"{day} is in the future.", why=f"In {zone.key} it is {today}.", fix="Choose a day that has begun."
        )


def _check_begun(hour: Hour, now: datetime) -> None:
    if hour.start > now:
        raise InputError(
            f"{hour} is in the future.",
            why=f"It is {now.astimezone(hour.start.tzinfo):%F %R} by that clock.",
            fix="Choose an hour that has begun.",
        )
