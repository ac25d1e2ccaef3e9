"""Converts between a window and a time column's type.

How two bounds are written in it, and how its values become instants. A column with a zone is compared with the instants
themselves. A column without one is a wall clock of `source.column_timezone`:

* A wall-clock time that occurs twice (clocks set back) counts as the first of the two. The day is right all the same,
  unless an edge of the window lies inside the repeated hour: then rows on either side can't be told apart, and the
  export is refused.
* A wall-clock time that never was (clocks set forward) is bad input.

A DATE column holds business days: a row belongs to the day it names, whatever the zones, and carries the start of the
window.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from exporter.port.source import Bound, TimeKind
from staging.errors import InputError
from staging.hours.name import Hour
from staging.window import Window

INSTANT = pl.Datetime("us", "UTC")
_STEP = timedelta(microseconds=1)


def plan_bounds(kind: TimeKind, window: Window, day: date, zone: ZoneInfo) -> tuple[Bound, Bound]:
    """Return the window's two bounds as the column spells them.

    The start is inclusive, the end exclusive. For ISO text the bounds may let in rows of up to a day on either side
    (`T` sorts behind a blank): `keep_window` drops them.
    """
    match kind:
        case TimeKind.INSTANT:
            return window.start, window.end
        case TimeKind.DATE:
            return _dates(day)
        case TimeKind.UNIX_SECONDS:
            # Whole seconds: an edge between two seconds (no zone has one today) rounds up for both, so days still meet.
            return math.ceil(window.start.timestamp()), math.ceil(window.end.timestamp())
        case TimeKind.NAIVE:
            return wall_clock(window.start, zone), wall_clock(window.end, zone)
        case TimeKind.ISO_TEXT:
            return _text_bound(wall_clock(window.start, zone), " "), _text_bound(wall_clock(window.end, zone), "T")


def _dates(day: date) -> tuple[date, date]:
    if isinstance(day, Hour):
        raise InputError(
            "A column of dates has no hours.",
            why=f"{day} can't be told from the other hours of its day.",
            fix="Name a column with a time of day in source.time, or leave source.window out.",
        )
    return day, day + timedelta(days=1)


def wall_clock(edge: datetime, zone: ZoneInfo) -> datetime:
    """Return an instant on the zone's clock, without zone.

    InputError where rows on both sides would show this time.
    """
    local = edge.astimezone(zone)
    if _is_repeated(local) and (local.fold == 1 or _is_repeated((edge - _STEP).astimezone(zone))):
        raise InputError(
            f"The day's edge at {edge:%Y-%m-%d %H:%M} UTC can't be found in wall-clock times of {zone.key}.",
            why=f"{local:%H:%M} occurs twice there, before and after the edge, and the column does not say which it is",
            fix="Store the time with its zone, or in UTC (`source.column_timezone`), or set `source.timezone` alike.",
        )
    return local.replace(tzinfo=None, fold=0)


def _is_repeated(local: datetime) -> bool:
    return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()


def _text_bound(wall: datetime, separator: str) -> str:
    """Return the shortest text of a wall clock: `2026-11-14` sorts before every spelling of that midnight."""
    if wall.time() == wall.min.time():
        return wall.date().isoformat()
    text = wall.isoformat(sep=separator, timespec="microseconds" if wall.microsecond else "seconds")
    return text.removesuffix(":00") if not wall.microsecond else text


def decode_time(column: str, kind: TimeKind, window: Window, zone: ZoneInfo) -> pl.Expr:
    """Return the instant (microseconds, UTC) of each value.

    NULL where there is none.
    """
    time = pl.col(column)
    match kind:
        case TimeKind.INSTANT:
            return time.cast(INSTANT)
        case TimeKind.DATE:
            return pl.when(time.is_not_null()).then(pl.lit(window.start, INSTANT))
        case TimeKind.UNIX_SECONDS:
            return (time.cast(pl.Int64) * 1_000_000).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        case TimeKind.NAIVE:
            return _from_wall_clock(time.cast(pl.Datetime("us")), zone)
        case TimeKind.ISO_TEXT:
            return _from_wall_clock(parse_iso_text(time, utc_suffix=is_utc(zone)), zone)


def is_utc(zone: ZoneInfo) -> bool:
    """Return whether a zone's clock is UTC's, by its name."""
    return zone.key in _UTC_NAMES


def is_whole_days(window: Window, zone: ZoneInfo) -> bool:
    """Return whether the window's edges are midnights on the zone's clock."""
    return all(edge.astimezone(zone).time() == datetime.min.time() for edge in (window.start, window.end))


_UTC_NAMES = ("UTC", "Etc/UTC", "Etc/GMT", "GMT", "Etc/UCT", "Zulu", "Etc/Zulu", "UCT")
UTC_OFFSETS = ("+00:00", "+0000", "+00")
"""How a text says that it is UTC's clock, beside `Z`."""
_UTC_SUFFIX = rf"(?:Z|{'|'.join(map(re.escape, UTC_OFFSETS))})$"


def parse_iso_text(time: pl.Expr, *, utc_suffix: bool = False) -> pl.Expr:
    """Return the wall clock that ISO 8601 text says.

    NULL where it has none; a UTC suffix only where UTC is meant.
    """
    text = time.str.replace("T", " ", literal=True)
    if utc_suffix:
        text = text.str.replace(_UTC_SUFFIX, "")
    length = text.str.len_bytes()
    text = (
        pl.when(length == 10).then(text + " 00:00:00").when(length == 16).then(text + ":00").otherwise(text)  # noqa: PLR2004 - YYYY-MM-DD, and HH:MM
    )
    # More than six digits of a second can't be carried exactly: then it is no time at all, and nothing is cut.
    plain = text.str.contains(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6}0*)?$")
    return pl.when(plain).then(text).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)


def _from_wall_clock(wall: pl.Expr, zone: ZoneInfo) -> pl.Expr:
    if is_utc(zone):
        return wall.dt.replace_time_zone("UTC")
    return wall.dt.replace_time_zone(zone.key, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")


def utc_text(instant: datetime) -> str:
    """`2026-11-14 00:00:00.000000` in UTC."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
