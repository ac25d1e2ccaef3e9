"""How a window is cut: slices that meet, from its first instant to its last."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl

from exporter.port.axis import Axis, time_axis
from exporter.port.source import Bound, Carried, Statement, Wire


def _statement(low: Bound, high: Bound) -> Statement:
    return Statement((Carried(pl.Int64(), Wire.NATIVE, "k"),), "t", "at", low, high, "n > 0", repr)


def test_an_axis_of_instants_counts_microseconds_and_gives_them_back() -> None:
    low, high = datetime(2026, 11, 13, 23, tzinfo=UTC), datetime(2026, 11, 14, 23, 0, 0, 1, tzinfo=UTC)
    statement = _statement(low, high)
    axis = time_axis(statement)
    assert axis is not None
    assert axis.high - axis.low == 86_400_000_001
    assert axis.text(statement, axis.low, axis.high) == statement.text()
    first, second = axis.text(statement, axis.low, axis.low + 7), axis.text(statement, axis.low + 7, axis.high)
    edge = repr(datetime(2026, 11, 13, 23, 0, 0, 7, tzinfo=UTC))
    assert f"at < {edge}" in first
    assert f"at >= {edge}" in second


def test_an_axis_of_wall_clocks_stays_without_zone() -> None:
    statement = _statement(datetime(1969, 12, 31), datetime(2026, 11, 15))  # noqa: DTZ001 - a wall clock
    axis = time_axis(statement)
    assert axis is not None
    assert axis.low < 0
    assert axis.text(statement, axis.low, axis.high) == statement.text()


def test_an_axis_of_seconds_is_cut_between_seconds() -> None:
    statement = _statement(1_794_000_000, 1_794_086_400)
    axis = time_axis(statement)
    assert axis is not None
    assert (axis.low, axis.high) == (1_794_000_000, 1_794_086_400)
    assert axis.text(statement, axis.low, axis.high) == statement.text()


def test_dates_and_texts_are_not_cut() -> None:
    assert time_axis(_statement(date(2026, 11, 14), date(2026, 11, 15))) is None
    assert time_axis(_statement("2026-11-14", "2026-11-15")) is None


def test_slices_along_a_key_keep_the_windows_condition() -> None:
    statement = _statement(1, 5)
    axis = Axis("key", "id", 10, 20, "", hint="FORCE INDEX (PRIMARY)")
    text = axis.text(statement, 12, 15)
    assert text == (
        "SELECT k AS c0 FROM t FORCE INDEX (PRIMARY) WHERE at >= 1 AND at < 5 AND (n > 0) AND id >= 12 AND id < 15"
    )
