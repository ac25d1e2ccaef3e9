"""Chooses what the slices of a MySQL window are cut along.

The integer primary key where it rises with time (`key_range`), else the time column's index. A range of keys is proved
at the end: the seal looks for the window's rows outside of it, in the same snapshot (`seal`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from exporter.mysql.catalogue import MysqlCatalogue
from exporter.mysql.key_range import ALONG_KEY, TimeIndex, WindowKeys
from exporter.mysql.table import MysqlTable
from exporter.mysql.walk import Rest, walk
from exporter.port.sliced_source import Axis, position_bound, time_axis
from exporter.port.source import Bound, Statement

T = TypeVar("T")


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
        keys = WindowKeys(statement, key, table.fetch, table.expected_rows)
        along_key = _along_key(keys, along_time, index, rows, rest)
        if along_key is not None:
            return along_key
    if along_time is not None:
        return PlannedAxis(along_time, along_time, index, "time")
    if index is not None:
        return f"{statement.time} is a date, which can't be cut, and no integer primary key rises with it"
    return f"no index begins with {statement.time}, and there is no integer primary key to cut along"


_LOOKED_AT = "the seal looks for rows of the window outside"
_PROOFS = {
    "table": "from the least to the greatest key of the table; the seal looks below and above",
    "guess": f"the keys of the window's first and last rows and some more; {_LOOKED_AT}",
    "window": f"from the least to the greatest key of the window; {_LOOKED_AT}",
}


def _along_key(
    keys: WindowKeys, along_time: Axis | None, index: TimeIndex | None, rows: int, rest: Rest
) -> PlannedAxis | None:
    """Return the range of keys, None where the index of the time column is cheaper."""

    def in_steps(ask: Callable[[Bound, Bound], T]) -> Iterator[T]:
        assert along_time is not None  # noqa: S101 - the index is given then alone
        like = keys.statement.low
        return walk(
            along_time.low,
            along_time.high,
            along_time.expected_rows,
            lambda low, high: ask(position_bound(like, low), position_bound(like, high)),
            rest,
        )

    found = keys.find_range(index if along_time is not None else None, rows, in_steps)
    if found is None:
        return None
    is_table = found.of == "table"
    expected_rows = rows if is_table else min(rows, found.high - found.low)
    axis = Axis("key", keys.key, found.low, found.high, _PROOFS[found.of], ALONG_KEY, expected_rows)
    return PlannedAxis(axis, along_time, index, "key" if is_table else "time")
