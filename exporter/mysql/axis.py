"""Chooses what the slices of a MySQL window are cut along.

The integer primary key where it rises with time (`key_range`), else the time column's index. A range of keys is proved
at the end: the seal looks for the window's rows outside of it, in the same snapshot (`seal`). A table without a time is
cut along an index of its key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from sqlalchemy import types as sql

from exporter.mysql.catalogue import MysqlCatalogue, text_literal
from exporter.mysql.key_range import ALONG_KEY, TimeIndex, WindowKeys
from exporter.mysql.table import MysqlTable
from exporter.mysql.walk import Rest, walk
from exporter.port.axis import Axis, position_bound, time_axis
from exporter.port.catalogue import ReflectedColumn
from exporter.port.source import Bound, KeyIndex, Statement, TableName

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PlannedAxis:
    """The axis of a window, and that of its time index.

    The second has its index, where there is one. `outside` says how the seal looks for rows of the window outside a
    range of keys: on the time column's index, or at the keys below and above, where the range was the whole table.
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


_CHARSETS = frozenset({"utf8mb4", "utf8mb3", "utf8", "ascii", "latin1", "ucs2", "utf16", "utf16le", "utf32"})
"""Those whose texts each have one text in utf8mb4, and no two the same."""


def find_key_index(catalogue: MysqlCatalogue, table: TableName, key: Sequence[str]) -> KeyIndex | str:
    """Return an index that finds and orders keys, or why not."""
    columns = {column.name: column for column in catalogue.columns(table)}
    for name in key:
        if why := _why_no_literal(columns[name]):
            return why
    for index in catalogue.indexes(table):
        order = [name for name in index.columns[: len(key)] if name is not None]
        if index.serves_ranges and index.ordered >= len(key) and set(order) == set(key):
            return KeyIndex(
                columns=tuple(columns[name].quoted for name in order),
                places=tuple(key.index(name) for name in order),
                spell=tuple(_spell(columns[name]) for name in order),
                hint=f"FORCE INDEX ({catalogue.quote(index.name)})",
            )
    return f"no index begins with its key {', '.join(key)}"


def _why_no_literal(column: ReflectedColumn) -> str:
    kind = column.source_type.split("(")[0].lower()
    if kind in ("enum", "set"):
        return f"its key {column.name} is of type {kind.upper()}, whose order is not that of its texts"
    charset = _charset(column)
    if isinstance(column.type, sql.String) and charset not in _CHARSETS:
        return f"its key {column.name} has the character set {charset}, of which two texts may be one in UTF-8"
    return ""


def _charset(column: ReflectedColumn) -> str:
    """Return the character set, with whose name each collation's name begins."""
    return (column.collation or "utf8mb4").split("_")[0]


def _spell(column: ReflectedColumn) -> Callable[[Any], str]:
    """Return what writes a value of a column as a literal of the column's own type and collation."""
    if isinstance(column.type, sql.Uuid):
        return lambda value: f"CAST({text_literal(value)} AS {column.source_type})"
    if not isinstance(column.type, sql.String):
        return lambda value: f"X'{value.hex()}'" if isinstance(value, bytes) else str(value)
    charset = _charset(column)
    if charset == "utf8mb4":
        return lambda value: f"{text_literal(value)} COLLATE {column.collation}"
    return lambda value: f"CONVERT({text_literal(value)} USING {charset}) COLLATE {column.collation}"
