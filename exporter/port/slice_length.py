"""Decides how long a slice is.

The server is to work about `target_seconds` for it. What a shop feels of an export follows the length of its slices
(measured: p99 falls with the slice's length, hardly with the share of time spent reading). What counts is the server's
own work, and the clock also counts how long it had to wait for a processor: so the price of a row is one of the lowest
of the last slices and not the last one, and on a server that is busy slices do not shrink to nothing. Only a slice that
was many times too long makes the next one shorter at once.

Through hours without a row slices grow until they would be four times as long as planned if rows were spread evenly,
and no further: the next busy hour is not to be read in one go.

A slice of few rows is not made shorter than few rows would be if they were spread evenly, however long it took: the
statement or the machine took the time, and shorter slices would only be more of them.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

from exporter.port.axis import Axis
from exporter.port.sliced_source import SliceRows

_ROUND_TRIPS = 5
_FIRST_ROWS = 200
_FEW_BYTES = 1024 * 1024
_MOST_ROWS = 20_000
_MOST_FEW_SLICES = 5_000
_LEAST_FACTOR, _MOST_FACTOR = 0.2, 1.5
_FAR_TOO_LONG = 25.0
_PRICES = 16
_EVEN_SLICES = 4.0
_CUT = 32  # five tries shorten a slice a million times: keys may lie in a few crowded places of a huge range


def empty_round_trip_seconds(run: Callable[[], object]) -> float:
    """Return what a statement that does nothing takes, the best of five.

    `run` runs one. It is the way to the server and back, without work of the server.
    """
    return min(_seconds_of(run) for _ in range(_ROUND_TRIPS))


def _seconds_of(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


class SliceLength:
    """Steers the length from slice to slice."""

    def __init__(self, axis: Axis, target_seconds: float) -> None:
        self._axis = axis
        self._target_seconds = target_seconds
        self._steps_per_row = (axis.high - axis.low) / max(axis.expected_rows, 1)
        self._few_steps = max(self._steps_per_row * axis.few_rows, (axis.high - axis.low) / _MOST_FEW_SLICES)
        self._prices: deque[float] = deque(maxlen=_PRICES)
        self._rows = float(_FIRST_ROWS)  # that a slice of the target's length has, as far as is known
        # An estimate may be wrong by any factor: the first slices find out in little steps.
        self._steps: float = max(1.0, min(self._steps_per_row * _FIRST_ROWS, (axis.high - axis.low) / _MOST_FEW_SLICES))

    def end_of(self, low: int) -> int:
        """Return where a slice that begins at `low` should end, exclusive."""
        return min(low + math.ceil(self._steps), self._axis.high)  # rounded up: one step, too, must be able to grow

    def took(self, steps: int, found: SliceRows) -> None:
        """Learn from a slice that covered so many steps of the axis."""
        factor = self._factor(found)
        if found.rows:
            self._rows = max(_FIRST_ROWS, min(found.rows * factor, _MOST_ROWS))
        wanted = min(steps * factor, max(self._steps_per_row * self._rows * _EVEN_SLICES, self._few_steps))
        if found.rows <= self._axis.few_rows and found.size_bytes <= _FEW_BYTES:
            wanted = max(wanted, min(steps * _MOST_FACTOR, self._few_steps))
        self._steps = max(wanted, 1.0)

    def _factor(self, found: SliceRows) -> float:
        """Return how many times as long as this slice the next one should be."""
        if not found.rows:
            wanted = self._target_seconds / max(found.seconds, 1e-9)
        else:
            self._prices.append(max(found.seconds, 1e-9) / found.rows)
            price = sorted(self._prices)[len(self._prices) // 8]
            wanted = min(self._target_seconds / price, _MOST_ROWS) / found.rows
        if found.seconds > _FAR_TOO_LONG * self._target_seconds:
            wanted = min(wanted, 1 / 2)
        return min(max(wanted, _LEAST_FACTOR), _MOST_FACTOR)

    def halve(self, steps: int) -> None:
        """Halve the next slice after this one broke off."""
        self._steps = max(steps // 2, 1)

    def cut(self, steps: int) -> None:
        """Make the next slice a small part of this one.

        Nobody knows by how much this one was too long.
        """
        self._steps = max(steps // _CUT, 1)
