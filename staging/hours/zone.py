"""Finds the hours of a time zone.

An hour is a stretch of real time in which the zone's clock shows one date and one hour at one offset from UTC. So the
hours of a day lie end to end: a repeated hour is two, one that clocks jump over is none, and a change by half an hour,
or within an hour, leaves a shorter one. In a zone of +05:30 they begin when its own clocks show a full hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from staging.hours.name import Hour, day_of

_STEP = timedelta(microseconds=1)
_HOUR = timedelta(hours=1)


def hour_around(instant: datetime, zone: ZoneInfo) -> Hour:
    """Return the zone's hour in which an instant lies."""
    local = instant.astimezone(zone)
    offset = _offset(instant, zone)
    full = local.replace(minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
    start = (full - offset).replace(tzinfo=UTC)
    if _offset(start, zone) != offset:
        start = find_change(start, instant, zone)
    return Hour(start.astimezone(timezone(offset)))


def hour_end(hour: Hour, zone: ZoneInfo) -> datetime:
    """Return the first instant after an hour, in UTC."""
    start = hour.start
    end = (start.replace(minute=0, second=0) + _HOUR).astimezone(UTC)
    last = end - _STEP
    return end if _offset(last, zone) == start.utcoffset() else find_change(start.astimezone(UTC), last, zone)


def hours_between(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[Hour]:
    """Yield the hours that begin from `start` up to `end`."""
    hour = hour_around(start, zone)
    while hour.start < end:
        if hour.start >= start:
            yield hour
        hour = hour_around(hour_end(hour, zone), zone)


def hours_on(day: date, zone: ZoneInfo) -> list[Hour]:
    """Return the hours whose wall clock shows this date, in their order."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone).astimezone(UTC)
    around = hours_between(noon - timedelta(hours=15), noon + timedelta(hours=16), zone)
    return [hour for hour in around if day_of(hour) == day_of(day)]


def hours_before(hour: Hour, zone: ZoneInfo) -> Iterator[Hour]:
    """Yield the hours before this one, the next one first."""
    while True:
        hour = hour_around(hour.start - _STEP, zone)
        yield hour


def find_change(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """Return the second at which the offset of `low` ends.

    Both are instants in UTC; at `high` another offset holds.
    """
    before = _offset(low, zone)
    low, high = low.replace(microsecond=0), high.replace(microsecond=0)
    if _offset(high, zone) == before:
        high += timedelta(seconds=1)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=1) // 2)
        if _offset(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None  # noqa: S101 - a ZoneInfo has one for every instant
    return offset
