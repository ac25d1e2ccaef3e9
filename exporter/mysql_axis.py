"""What a MySQL window is cut along: the integer primary key where it rises with time, else the time column's index.

InnoDB keeps rows in the order of the primary key; along the index of a time column it looks up each of them (3-4 times
the work). So if the keys of the window's rows lie close together, the range from the least to the greatest of them is
read, still filtered by time. That range is found on the time column's index, which holds the keys, and is proved at the
end: the seal counts the window's rows outside of it as well, in the same snapshot (see `mysql_seal`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from exporter.catalogue import Catalogue
from exporter.mysql_table import MysqlTable
from exporter.mysql_walk import Rest, walk
from exporter.sliced_source import Axis, position_bound, time_axis
from exporter.source import Statement

ALONG_KEY = "FORCE INDEX (PRIMARY)"
_STREWN = 3.0
"""A row outside the window costs a third of what looking one up by the time index does."""

_LEADING = (
    "SELECT column_name, MIN(index_name) FROM information_schema.statistics "
    "WHERE table_schema = coalesce(%s, database()) AND table_name = %s AND seq_in_index = 1 AND index_type = 'BTREE' "
    "GROUP BY column_name"
)


@dataclass(frozen=True, slots=True)
class PlannedAxis:
    """The axis; along the index of the time column, `time_hint` and `time_axis`, where there is one.

    `outside` says how rows of the window outside a range of keys are looked for: by counting the window on the time
    column's index, or by looking at the keys below and above, where the range was the whole table.
    """

    axis: Axis
    time: Axis | None
    outside: Literal["time", "key"]


def plan_axis(table: MysqlTable, catalogue: Catalogue, statement: Statement, rest: Rest) -> PlannedAxis | str:
    """Return the axis, or why there is none."""
    rows = table.estimate(statement).rows
    along_time = _along_time(table, catalogue, statement, rows)
    is_indexed = table.is_indexed(statement.time)
    key = table.integer_primary_key()
    if key is not None:
        along_key = _along_key(_Keys(table, statement, key, rest), along_time, rows)
        if along_key is not None:
            return along_key
    if along_time is not None:
        return PlannedAxis(along_time, along_time, "time")
    if is_indexed:
        return f"{statement.time} is a date, which can't be cut, and no integer primary key rises with it"
    return f"no index begins with {statement.time}, and there is no integer primary key to cut along"


def _along_time(table: MysqlTable, catalogue: Catalogue, statement: Statement, rows: int) -> Axis | None:
    leading = catalogue.rows(_LEADING, table.table.schema, table.table.table)
    index = next((index for column, index in leading if catalogue.quote(str(column)) == statement.time), None)
    if index is None:
        return None
    return time_axis(statement, hint=f"FORCE INDEX ({catalogue.quote(str(index))})", expected_rows=rows)


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

    def ends_in_window(self, along_time: Axis) -> tuple[tuple[int, int], int]:
        """Return the window's least key and the one after the greatest, and how many rows there are."""

        def ask(low: int, high: int) -> tuple[object, ...]:
            bounds = position_bound(self.statement.low, low), position_bound(self.statement.low, high)
            ((*found,),) = self.table.fetch(
                f"SELECT COUNT(*), MIN({self.key}), MAX({self.key}) FROM {self.statement.table} {along_time.hint} "  # noqa: S608 - quoted
                f"WHERE {self.statement.window(*bounds)}"
            )
            return tuple(found)

        answers = walk(along_time.low, along_time.high, along_time.expected_rows, ask, self.rest)
        found = [answer for answer in answers if answer[0]]
        if not found:
            return (0, 0), 0
        keys = [int(str(end)) for _, least, greatest in found for end in (least, greatest)]
        return (min(keys), max(keys) + 1), sum(int(str(rows)) for rows, *_ in found)

    def all_rows(self) -> int:
        """Return about how many rows the table has; of a range of all keys InnoDB expects half of them."""
        return self.table.expected_rows(f"SELECT {self.key} FROM {self.statement.table}")  # noqa: S608 - quoted

    def rows_between(self, ends: tuple[int, int]) -> int:
        """Return how many rows the optimizer expects in a range of keys."""
        low, high = ends
        return self.table.expected_rows(
            f"SELECT 1 FROM {self.statement.table} {ALONG_KEY} WHERE {self.key} >= {low} AND {self.key} < {high}"  # noqa: S608 - quoted
        )

    def axis(self, ends: tuple[int, int], proof: str, rows: int) -> Axis:
        """Return the axis along a range of keys."""
        return Axis("key", self.key, *ends, proof, ALONG_KEY, rows)


def _along_key(keys: _Keys, along_time: Axis | None, rows: int) -> PlannedAxis | None:
    """Return the range of keys, None where the index of the time column is cheaper."""
    whole = keys.ends()
    all_rows = keys.all_rows()
    # A few keys far from all others, and a slice would be either all rows or none of them.
    is_dense = whole[1] - whole[0] <= _STREWN * all_rows
    if along_time is None or (is_dense and all_rows <= _STREWN * rows):
        proof = "from the least to the greatest key of the table; the seal looks below and above"
        return PlannedAxis(keys.axis(whole, proof, rows), along_time, "key")
    window, rows = keys.ends_in_window(along_time)
    if keys.rows_between(window) > _STREWN * rows:
        return None
    proof = "from the least to the greatest key of the window; the seal counts the window on the time column's index"
    return PlannedAxis(keys.axis(window, proof, rows), along_time, "time")
