"""What a window is cut along: time, a key, or rows.

An adapter plans it (`Slices.plan_axis`); it is used for the statements of slices and of their seal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from exporter.port.source import Bound, Statement

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Axis:
    """What a window is cut along, as integers.

    `low` inclusive, `high` exclusive, `high - low` steps of the finest cut. time: microseconds since 1970 (of the
    instant or of the wall clock), whole seconds, of the statement's time column. key: values of `column`, a quoted
    integer key. rows: rows of a table without a time; `piece` returns their condition, once for each statement. `proof`
    says why no row of the window lies outside; the seal checks whether that is still so. `hint` follows the table's
    name in FROM. `expected_rows` is an estimate for the first slice's length. A slice of `few_rows` is not made
    shorter, however long it took.
    """

    along: Literal["time", "key", "rows"]
    column: str
    low: int
    high: int
    proof: str
    hint: str = ""
    expected_rows: int = 0
    few_rows: int = 500
    piece: Callable[[int, int], str] | None = field(default=None, repr=False, compare=False)

    def text(self, statement: Statement, low: int, high: int) -> str:
        """Return the statement for one slice.

        It keeps the window's condition when it is cut along a key.
        """
        table = f"{statement.table} {self.hint}" if self.hint else statement.table
        if self.along == "time":
            return statement.text_from(table, *self._bounds(statement, low, high))
        return f"{statement.text_from(table)} AND {self._keys(low, high)}"

    def condition(self, statement: Statement, low: int, high: int) -> str:
        """Return the condition of a slice's WHERE."""
        if self.along == "time":
            return statement.condition(*self._bounds(statement, low, high))
        return f"{statement.condition()} AND {self._keys(low, high)}"

    def outside(self, statement: Statement) -> tuple[str, ...]:
        """Return the conditions of rows of the window that lie outside.

        They came after the axis was planned. A seal agrees only where there is none.
        """
        if self.along != "key":
            return ()
        return tuple(f"{statement.condition()} AND {self.column} {end}" for end in (f"< {self.low}", f">= {self.high}"))

    def _bounds(self, statement: Statement, low: int, high: int) -> tuple[Bound, Bound]:
        return position_bound(statement.low, low), position_bound(statement.low, high)

    def _keys(self, low: int, high: int) -> str:
        if self.piece is not None:
            return self.piece(low, high)
        return f"{self.column} >= {low} AND {self.column} < {high}"


def time_axis(statement: Statement, *, hint: str = "", expected_rows: int = 0) -> Axis | None:
    """Return the axis along the time column, or None.

    None where it can't be cut finer than a day (DATE) or compares as text.
    """
    low, high = _position(statement.low), _position(statement.high)
    if low is None or high is None:
        return None
    proof = "the slices of time meet and end where the window ends"
    return Axis("time", statement.time, low, high, proof, hint, expected_rows)


def position_bound(like: Bound, position: int) -> Bound:
    """Return a position on a time axis as a bound.

    It has the type of `like`.
    """
    match like:
        case datetime(tzinfo=None):
            return datetime(1970, 1, 1) + position * _MICROSECOND  # noqa: DTZ001 - a wall clock
        case datetime():
            return datetime(1970, 1, 1, tzinfo=UTC) + position * _MICROSECOND
    return position


def _position(bound: Bound) -> int | None:
    match bound:
        case datetime(tzinfo=None):
            return (bound - datetime(1970, 1, 1)) // _MICROSECOND  # noqa: DTZ001 - a wall clock
        case datetime():
            return (bound - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND
        case date() | str():
            return None
    return bound
