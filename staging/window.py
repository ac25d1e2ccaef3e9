"""A business day as two instants, computed once and used everywhere."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from staging.errors import InputError

_RELATIVE = re.compile(r"today(?:-(0|[1-9][0-9]{0,4}))?")
_LONGER = re.compile(r"(?P<span>month|week) (?P<which>.*)")

Span = Literal["day", "week", "month"]
"""How long a window is. A week begins on Monday (ISO 8601), a month on its first day."""

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
    """Return the window that begins with a business day.

    To the first instant of the next day, week or month. Where midnight does not exist (clocks jump over it) the day
    starts at the jump; where it exists twice, at the first of the two. A day the zone never had (Samoa's 2011-12-30) is
    empty: InputError.
    """
    check_begins(day, span)
    window = Window(_first_instant(day, zone), _first_instant(next_start(day, span), zone))
    if window.start >= window.end:
        raise InputError(
            f"{day} does not exist in {zone.key}.",
            why="The zone's clocks jumped over that whole day.",
            fix="Choose another day.",
        )
    return window


def start_of(day: date, span: Span) -> date:
    """Return the first day of the window around a day.

    Of its week or month; of a day itself.
    """
    if span == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if span == "week" else day


def next_start(day: date, span: Span) -> date:
    """Return the first day of the next window.

    Of the one after that which begins with `day`.
    """
    if span == "month":
        return date(day.year + day.month // _DECEMBER, day.month % _DECEMBER + 1, 1)
    return day + timedelta(days=7 if span == "week" else 1)


def days_within(day: date, span: Span) -> list[date]:
    """Return all days of the window that begins with `day`."""
    return [day + timedelta(days=number) for number in range((next_start(day, span) - day).days)]


def check_begins(day: date, span: Span) -> None:
    """Refuse a day that no window of this length begins with."""
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
    # Midnight lies in a gap: the day starts where the offset changes. Find the change to the second.
    low, high = instant - timedelta(days=1), instant
    before = low.astimezone(zone).utcoffset()
    if high.astimezone(zone).utcoffset() == before:
        high = instant + timedelta(days=1)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=1) // 2)
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


def parse_day(text: str) -> date:
    """Parse `YYYY-MM-DD`; anything else is an InputError."""
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


def _in_reach(day: date, text: str) -> date:
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

    A day turns when its midnight is `grace_seconds` ago. So `yesterday` is always a day that is over, grace included,
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

        `month 2026-11`, `week 2026-W46`, `month last` and `week last` are the first day of that window.
        """
        if match := _LONGER.fullmatch(text):
            return self._read_longer("month" if match["span"] == "month" else "week", match["which"])
        if text == "yesterday":
            return self.today - timedelta(days=1)
        if match := _RELATIVE.fullmatch(text):
            return self.today - timedelta(days=int(match[1] or 0))
        return parse_day(text)

    def _read_longer(self, span: Span, which: str) -> date:
        if which == "last":
            return start_of(start_of(self.today, span) - timedelta(days=1), span)
        return parse_month(which) if span == "month" else parse_week(which)


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
    today = now.astimezone(zone).date()
    if day > today:
        raise InputError(
            f"{day} is in the future.", why=f"In {zone.key} it is {today}.", fix="Choose a day that has begun."
        )
