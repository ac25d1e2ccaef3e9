"""Chooses what a MySQL window is cut along.

The integer primary key where it rises with time, else the time column's index. InnoDB keeps rows in the order of the
primary key; along the index of a time column it looks up each of them (3-4 times the work). So if the keys of the
window's rows lie close together, the range from the least to the greatest of them is read, still filtered by time. That
range is found on the time column's index, which holds the keys (`key_range`), and is proved at the end: the seal looks
for the window's rows outside of it, in the same snapshot (`seal`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from exporter.mysql.catalogue import MysqlCatalogue
from exporter.mysql.key_range import TimeIndex, guess_keys, outside_sql
from exporter.mysql.table import MysqlTable
from exporter.mysql.walk import Rest, walk
from exporter.port.sliced_source import Axis, position_bound, time_axis
from exporter.port.source import Statement

ALONG_KEY = "FORCE INDEX (PRIMARY)"
COUNT_ALONG_KEY = "USE INDEX (PRIMARY)"
"""The hint for EXPLAIN: of rows that an index was forced upon MySQL expects one, whatever there are (since 8.0.3 it
looks into no index then: https://dev.mysql.com/doc/refman/8.0/en/range-optimization.html#equality-range-optimization)."""
_STREWN = 3.0
"""A row outside the window costs a third of what looking one up by the time index does."""


@dataclass(frozen=True, slots=True)
class PlannedAxis:
    """The axis of a window, and that of its time index.

    The second has its index, where there is one. `outside` says how rows of the window outside a range of keys are
    looked for: on the time column's index, or by looking at the keys below and above, where the range was the whole
    table.
    """

    axis: Axis
    time: Axis | None
    index: TimeIndex | None
    outside: Literal["time", "key"]


def plan_axis(table: MysqlTable, catalogue: MysqlCatalogue, statement: Statement, rest: Rest) -> PlannedAxis | str:
    """Return the axis, or why there is none."""
    rows = table.estimate(statement).rows
    index = TimeIndex.find(catalogue, table.table, statement.time)
    along_time = time_axis(statement, hint=index.hint, expected_rows=rows) if index is not None else None
    key = table.integer_primary_key()
    if key is not None:
        along_key = _along_key(_Keys(table, statement, key, rest), along_time, index, rows)
        if along_key is not None:
            return along_key
    if along_time is not None:
        return PlannedAxis(along_time, along_time, index, "time")
    if index is not None:
        return f"{statement.time} is a date, which can't be cut, and no integer primary key rises with it"
    return f"no index begins with {statement.time}, and there is no integer primary key to cut along"


@dataclass(frozen=True, slots=True)
class _Keys:
    """The integer primary key of a table, asked about."""

    table: MysqlTable
    statement: Statement
    key: str
    rest: Rest

    def ends(self) -> tuple[int, int]:
        """Return the table's least key, and the one after the greatest."""
        ((least, greatest),) = self.table.fetch(f"SELECT MIN({self.key}), MAX({self.key}) FROM {self.statement.table}")  # noqa: S608 - quoted
        return (0, 0) if least is None else (int(str(least)), int(str(greatest)) + 1)

    def guess(self, index: TimeIndex) -> tuple[int, int]:
        """Return a range that holds most of the window's keys."""
        return guess_keys(self.statement, self.key, index, self.table.fetch)

    def has_rows_outside(self, keys: tuple[int, int], along_time: Axis, index: TimeIndex) -> bool:
        """Whether a row of the window has a key outside of the range."""

        def ask(low: int, high: int) -> Sequence[tuple[object, ...]]:
            part = position_bound(self.statement.low, low), position_bound(self.statement.low, high)
            return self.table.fetch(outside_sql(self.statement, self.key, index, keys, part=part))

        return any(walk(along_time.low, along_time.high, along_time.expected_rows, ask, self.rest))

    def ends_in_window(self, along_time: Axis) -> tuple[int, int]:
        """Return the window's least key and the one after the greatest."""

        def ask(low: int, high: int) -> tuple[object, ...]:
            bounds = position_bound(self.statement.low, low), position_bound(self.statement.low, high)
            ((*found,),) = self.table.fetch(
                f"SELECT MIN({self.key}), MAX({self.key}) FROM {self.statement.table} {along_time.hint} "  # noqa: S608 - quoted
                f"WHERE {self.statement.window(*bounds)}"
            )
            return tuple(found)

        answers = walk(along_time.low, along_time.high, along_time.expected_rows, ask, self.rest)
        keys = [int(str(end)) for found in answers for end in found if end is not None]
        return (min(keys), max(keys) + 1) if keys else (0, 0)

    def all_rows(self) -> int:
        """Return about how many rows the table has; of a range of all keys InnoDB expects half of them."""
        return self.table.expected_rows(f"SELECT {self.key} FROM {self.statement.table}")  # noqa: S608 - quoted

    def rows_between(self, ends: tuple[int, int]) -> int:
        """Return how many rows the optimizer expects in a range of keys."""
        low, high = ends
        return self.table.expected_rows(
            f"SELECT 1 FROM {self.statement.table} {COUNT_ALONG_KEY} WHERE {self.key} >= {low} AND {self.key} < {high}"  # noqa: S608 - quoted
        )

    def axis(self, ends: tuple[int, int], proof: str, rows: int) -> Axis:
        """Return the axis along a range of keys."""
        return Axis("key", self.key, *ends, proof, ALONG_KEY, rows)


def _along_key(keys: _Keys, along_time: Axis | None, index: TimeIndex | None, rows: int) -> PlannedAxis | None:
    """Return the range of keys, None where the index of the time column is cheaper."""
    whole = keys.ends()
    all_rows = keys.all_rows()
    # A few keys far from all others, and a slice would be either all rows or none of them.
    is_dense = whole[1] - whole[0] <= _STREWN * all_rows
    if along_time is None or index is None or (is_dense and all_rows <= _STREWN * rows):
        proof = "from the least to the greatest key of the table; the seal looks below and above"
        return PlannedAxis(keys.axis(whole, proof, rows), along_time, index, "key")
    window = keys.guess(index)
    proof = "the keys of the window's first and last rows and some more; the seal looks for rows of the window outside"
    if keys.rows_between(window) <= _STREWN * rows and keys.has_rows_outside(window, along_time, index):
        window = keys.ends_in_window(along_time)
        proof = "from the least to the greatest key of the window; the seal looks for rows of the window outside"
    if keys.rows_between(window) > _STREWN * rows:
        return None
    return PlannedAxis(keys.axis(window, proof, min(rows, window[1] - window[0])), along_time, index, "time")
