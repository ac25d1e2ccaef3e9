"""Bounds and wall clocks against what zoneinfo says of each minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from exporter.port.source import TimeKind
from exporter.port.time_column import decode_time, parse_iso_text, plan_bounds
from staging.errors import InputError
from staging.window import plan_window

ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "America/Havana",
    "Australia/Lord_Howe",
]


def wall(*parts: int) -> datetime:
    """A wall clock without a zone."""
    return datetime(*parts)  # type: ignore[arg-type] # its parts end before the zone  # noqa: DTZ001 - on purpose


CHANGES = {
    "Europe/Berlin": (date(2026, 3, 29), date(2026, 10, 25)),
    "America/Havana": (date(2026, 3, 8), date(2026, 11, 1)),
}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("column_zone", ZONES)
def test_naive_bounds_let_in_just_the_days_minutes_or_are_refused(zone: str, column_zone: str) -> None:
    days = [date(2026, 6, 1), *CHANGES.get(zone, ()), *CHANGES.get(column_zone, ())]
    for day in days:
        business, column = ZoneInfo(zone), ZoneInfo(column_zone)
        window = plan_window(day, business)
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        minutes = [noon + timedelta(minutes=15 * n) for n in range(-200, 200)]
        walls = [(minute, minute.astimezone(column).replace(tzinfo=None)) for minute in minutes]
        inside = {wall for minute, wall in walls if minute.astimezone(business).date() == day}
        outside = {wall for minute, wall in walls if minute.astimezone(business).date() != day}
        try:
            low, high = plan_bounds(TimeKind.NAIVE, window, day, column)
        except InputError:
            assert inside & outside, (zone, column_zone, day)
            continue
        assert not inside & outside
        assert isinstance(low, datetime)
        assert isinstance(high, datetime)
        assert all(low <= wall < high for wall in inside)
        assert not any(low <= wall < high for wall in outside)


def test_text_bounds_let_in_every_spelling_of_the_edges() -> None:
    window = plan_window(date(2026, 11, 14), ZoneInfo("Europe/Berlin"))
    low, high = plan_bounds(TimeKind.ISO_TEXT, window, date(2026, 11, 14), ZoneInfo("UTC"))
    for text in (
        "2026-11-13 23:00",
        "2026-11-13T23:00:00",
        "2026-11-13 23:00:00.5",
        "2026-11-14",
        "2026-11-14T22:59:59.999999",
    ):
        assert str(low) <= text < str(high), text
    for text in ("2026-11-14T23:00", "2026-11-14T23:00:00.000", "2026-11-15", "2026-11-13 22:59:59.999"):
        assert not str(low) <= text < str(high), text


def test_iso_text_is_read_exactly_or_not_at_all() -> None:
    good = {
        "2026-11-14": wall(2026, 11, 14),
        "2026-11-14 01:02": wall(2026, 11, 14, 1, 2),
        "2026-11-14T01:02:03": wall(2026, 11, 14, 1, 2, 3),
        "2026-11-14 01:02:03.5": wall(2026, 11, 14, 1, 2, 3, 500_000),
        "2026-11-14T01:02:03.123456": wall(2026, 11, 14, 1, 2, 3, 123_456),
        "2026-11-14 01:02:03.123456000": wall(2026, 11, 14, 1, 2, 3, 123_456),
    }
    bad = [
        "2026-11-14 01:02:03.1234567",
        "2026-02-30",
        "2026-11-14 25:00:00",
        "14.11.2026",
        "",
        "2026-11-14 01:02:03Z",
        "x",
    ]
    parsed = pl.DataFrame({"t": [*good, *bad]}).select(parse_iso_text(pl.col("t"))).to_series().to_list()
    assert parsed == [*good.values(), *[None] * len(bad)]
    utc = pl.DataFrame({"t": ["2026-11-14T01:02:03Z", "2026-11-14 01:02:03+00:00", "2026-11-14 01:02:03+02:00"]})
    read = utc.select(parse_iso_text(pl.col("t"), utc_suffix=True)).to_series().to_list()
    assert read == [wall(2026, 11, 14, 1, 2, 3), wall(2026, 11, 14, 1, 2, 3), None]


def test_a_wall_clock_is_the_first_of_two_instants_and_none_where_it_never_was() -> None:
    zone = ZoneInfo("Europe/Berlin")
    window = plan_window(date(2026, 10, 25), zone)
    frame = pl.DataFrame({"t": [wall(2026, 10, 25, 2, 30), wall(2026, 3, 29, 2, 30), wall(2026, 7, 1, 12)]})
    instants = frame.select(decode_time("t", TimeKind.NAIVE, window, zone)).to_series().to_list()
    assert instants == [datetime(2026, 10, 25, 0, 30, tzinfo=UTC), None, datetime(2026, 7, 1, 10, tzinfo=UTC)]
