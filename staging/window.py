"""A business day as two instants, computed once and used everywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from staging.errors import InputError

_RELATIVE = re.compile(r"today(?:-(0|[1-9][0-9]{0,4}))?")


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` (inclusive) to `end` (exclusive), both aware and in UTC."""

    start: datetime
    end: datetime

    def hours(self) -> float:
        """Length; 23 or 25 at a change of daylight-saving time in most zones."""
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


def plan_window(day: date, zone: ZoneInfo) -> Window:
    """Return the window of a business day: from its first instant to the first instant of the next day.

    Where midnight does not exist (clocks jump over it) the day starts at the jump; where it exists twice, at the
    first of the two. A day the zone never had (Samoa's 2011-12-30) is empty: InputError.
    """
    window = Window(_first_instant(day, zone), _first_instant(day + timedelta(days=1), zone))
    if window.start >= window.end:
        raise InputError(
            f"{day} does not exist in {zone.key}.",
            why="The zone's clocks jumped over that whole day.",
            fix="Choose another day.",
        )
    return window


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
    return day


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which day it is in a zone: a day turns when its midnight is `grace_seconds` ago.

    So `yesterday` is always a day that is over, grace included, and a night that begins at 00:05 and is tried again at
    00:20 may mean two days: schedule it after the grace.
    """

    zone: ZoneInfo
    now: datetime
    grace_seconds: int

    @property
    def today(self) -> date:
        """The day that goes on, or that ended less than the grace ago."""
        return (self.now - timedelta(seconds=self.grace_seconds)).astimezone(self.zone).date()

    def read_day(self, text: str) -> date:
        """Read `YYYY-MM-DD`, `today`, `yesterday` or `today-2`; anything else is an InputError."""
        if text == "yesterday":
            return self.today - timedelta(days=1)
        if match := _RELATIVE.fullmatch(text):
            return self.today - timedelta(days=int(match[1] or 0))
        return parse_day(text)


def check_not_future(day: date, zone: ZoneInfo, now: datetime) -> None:
    """Refuse a day that has not begun in its zone."""
    today = now.astimezone(zone).date()
    if day > today:
        raise InputError(
            f"{day} is in the future.", why=f"In {zone.key} it is {today}.", fix="Choose a day that has begun."
        )
