"""How long slices become, for servers of any speed and rows of any density."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from exporter.port.axis import Axis
from exporter.port.slice_length import SliceLength
from exporter.port.sliced_source import SliceRows

DAY = 86_400_000_000
TARGET = 0.002
Density = Callable[[float], float]


def _read(
    rows_per_step: Density, seconds_of: Callable[[int], float], *, expected_rows: int, row_bytes: int = 30
) -> list[tuple[int, int, float]]:
    """Read a day; return of each slice its steps, its rows and its seconds. `rows_per_step` takes 0 to 1 of the day."""
    axis = Axis("time", '"t"', 0, DAY, "", expected_rows=expected_rows)
    length, position, slices = SliceLength(axis, TARGET), 0, []
    while position < DAY:
        end = length.end_of(position)
        assert position < end <= DAY
        rows = int((end - position) * rows_per_step(position / DAY))
        seconds = seconds_of(rows)
        length.took(end - position, SliceRows(rows, rows * row_bytes, seconds, None))
        slices.append((end - position, rows, seconds))
        position = end
        assert len(slices) < 200_000, "it crawls"
    return slices


def _even(rows: int) -> Density:
    return lambda _: rows / DAY


def _cost(rows: int) -> float:
    return 0.0002 + rows * 0.4e-6


def test_slices_come_to_take_what_they_should() -> None:
    slices = _read(_even(1_000_000), _cost, expected_rows=1_000_000)
    assert all(TARGET / 2 < seconds < 2 * TARGET for _, _, seconds in slices[20:-1])


@pytest.mark.parametrize("factor", [0.001, 0.1, 10, 1000])
def test_a_wrong_estimate_is_found_out(factor: float) -> None:
    slices = _read(_even(1_000_000), _cost, expected_rows=int(1_000_000 * factor))
    late = slices[len(slices) // 2 : -1]
    assert all(seconds < 2 * TARGET for _, _, seconds in late)


def test_after_hours_without_a_row_the_first_busy_slice_is_not_much_too_long() -> None:
    """Ten hours empty, then all of the day's rows in one."""

    def density(at: float) -> float:
        return 24 * 1_000_000 / DAY if 10 / 24 <= at < 11 / 24 else 0.0

    slices = _read(density, _cost, expected_rows=1_000_000)
    assert max(seconds for _, _, seconds in slices) < 20 * TARGET
    assert sum(seconds > 10 * TARGET for _, _, seconds in slices) <= 3


def test_a_server_whose_every_statement_is_slow_is_not_asked_for_single_rows() -> None:
    """Found by a test that never ended: slices had shrunk to a microsecond."""
    slices = _read(_even(2_000), lambda rows: 0.030, expected_rows=2_000)
    assert len(slices) < 200
    slices = _read(_even(2_000), lambda rows: 0.030, expected_rows=40_000_000)
    assert len(slices) < 10_000


def test_one_slow_moment_is_forgotten() -> None:
    seconds = iter([_cost(1000)] * 30 + [3.0] * 10 + [_cost(1000)] * 10**6)
    slices = _read(_even(1_000_000), lambda rows: max(next(seconds), _cost(rows)), expected_rows=1_000_000)
    assert slices[-2][1] > 1000


def test_rows_of_a_megabyte_come_few_at_a_time() -> None:
    slices = _read(_even(20_000), lambda rows: rows * 0.002, expected_rows=20_000, row_bytes=1_000_000)
    assert all(rows <= 3 for _, rows, _ in slices[20:])


def test_a_slice_the_server_did_not_finish_is_halved() -> None:
    length = SliceLength(Axis("key", '"id"', 0, 10_000_000, "", expected_rows=100), TARGET)
    first = length.end_of(0)
    length.halve(first)
    assert length.end_of(0) == first // 2 > 1
    for _ in range(20):
        length.halve(length.end_of(0))
    assert length.end_of(0) == 1


def test_a_slice_that_was_too_long_is_cut_to_a_small_part() -> None:
    """Found with keys made of the time of day behind two million small ones: all rows lay in the first slice."""
    length = SliceLength(Axis("key", '"id"', 0, 10**15, "", expected_rows=2_000_000), TARGET)
    first = length.end_of(0)
    assert first > 10**10
    for _ in range(5):
        length.cut(length.end_of(0))
    assert length.end_of(0) < 10_000


def test_slices_along_a_few_keys_grow_beyond_one_key() -> None:
    axis = Axis("key", '"id"', 0, 2_000, "", expected_rows=2_000)
    length, position, slices = SliceLength(axis, TARGET), 0, 0
    while position < axis.high:
        end = length.end_of(position)
        length.took(end - position, SliceRows(end - position, 30 * (end - position), _cost(end - position), None))
        position, slices = end, slices + 1
    assert slices < 30
