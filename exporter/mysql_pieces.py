"""Cuts the read of a MySQL table into short statements, one after another in the same snapshot.

Why: an ODBC driver that holds a statement's result in the client would need memory that grows with the day; and
InnoDB reads 3-4 times cheaper along its primary key than along the index of a time column, which looks up each row.

* Along the primary key, an integer, in the range that holds the window's rows. It is proved on the time column's index
  in the same snapshot that no row of the window lies outside (`mysql_key_range`). Taken unless the keys of the window
  are strewn over much more of the table than the window has.
* Else along the time column's index.
* Without either the statement stays whole.

Half-open stretches that meet make up the whole exactly. Each is as long as the last one suggests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import polars as pl

from exporter.mysql_key_range import Fetch, TimeIndex, guess_keys, outside_sql, within
from exporter.source import Statement

PIECE_ROWS = 250_000
_MOST_GROWTH = 4.0
_LEAST_TIME = timedelta(milliseconds=1)
_STREWN = 3.0

Explain = Callable[[str], int]
Stream = Callable[[str], Iterator[pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Primary keys from `low` (inclusive) to `high` (exclusive), with about so many rows of the table in it."""

    column: str
    low: int
    high: int
    rows: int

    def stretch(self, statement: Statement, low: int, high: int) -> str:
        """Return the statement for a part of the range. The hint keeps the optimizer from the time column's index."""
        columns = ", ".join(f"{carried.select} AS c{i}" for i, carried in enumerate(statement.select))
        keys = f"{self.column} BETWEEN {low} AND {high - 1}"
        window = within(statement, statement.low, statement.high)
        where = f"{keys} AND {window}" + (f" AND ({statement.where})" if statement.where else "")
        return f"SELECT {columns} FROM {statement.table} FORCE INDEX (PRIMARY) WHERE {where}"  # noqa: S608 - quoted


def find_key_range(
    statement: Statement, primary_key: str, *, time_index: TimeIndex | None, fetch: Fetch, explain: Explain
) -> KeyRange | None:
    """Return the range of keys to read along, None where the index of the time column is cheaper.

    The window's own range costs a scan of the time index; where the window is a third of the table or more, or its
    index is missing, the range is the whole table, whose ends cost nothing.
    """
    window_rows = explain(f"SELECT {primary_key} FROM {statement.table} WHERE {statement.window()}")  # noqa: S608 - quoted
    # Of the whole range InnoDB expects half the table's rows, whatever there are; of no range, all.
    all_rows = explain(f"SELECT {primary_key} FROM {statement.table}")  # noqa: S608 - quoted
    # As decimals: ODBC would bring unsigned numbers above 2^63 as negative ones.
    ends = ", ".join(f"CAST({end}({primary_key}) AS DECIMAL(20, 0))" for end in ("MIN", "MAX"))
    least_and_greatest = f"SELECT {ends} FROM {statement.table}"  # noqa: S608 - quoted
    if time_index is None or all_rows <= _STREWN * window_rows:
        return _key_range(primary_key, fetch(least_and_greatest)[0], all_rows)

    def is_dense(keys: KeyRange) -> KeyRange | None:
        inside = f"{primary_key} >= {keys.low} AND {primary_key} < {keys.high}"
        rows = explain(f"SELECT 1 FROM {statement.table} FORCE INDEX (PRIMARY) WHERE {inside}")  # noqa: S608 - quoted
        return replace(keys, rows=rows) if rows <= _STREWN * window_rows else None

    guess = guess_keys(statement, primary_key, time_index, fetch)
    found = is_dense(KeyRange(primary_key, *guess, 0))
    if found is None or not fetch(outside_sql(statement, primary_key, time_index, guess)):
        return found
    return is_dense(_key_range(primary_key, fetch(f"{least_and_greatest} WHERE {statement.window()}")[0]))


def _key_range(primary_key: str, ends: Sequence[object], rows: int = 0) -> KeyRange:
    if ends[0] is None:
        return KeyRange(primary_key, 0, 0, 0)
    return KeyRange(primary_key, int(str(ends[0])), int(str(ends[1])) + 1, rows)


def read_along_key(statement: Statement, keys: KeyRange, stream: Stream) -> Iterator[pl.DataFrame]:
    """Give the window's rows, stretch by stretch of the primary key."""
    keys_per_row = max(1.0, (keys.high - keys.low) / max(keys.rows, 1))
    length = most = keys_per_row * PIECE_ROWS
    low = keys.low
    while low < keys.high:
        high = min(low + max(int(length), 1), keys.high)
        rows = 0
        for batch in stream(keys.stretch(statement, low, high)):
            rows += batch.height
            yield batch
        length = min(length * min(PIECE_ROWS / max(rows, 1), _MOST_GROWTH), most * _MOST_GROWTH)
        low = high


def read_along_time(statement: Statement, expected_rows: int, stream: Stream) -> Iterator[pl.DataFrame]:
    """Give the window's rows, stretch by stretch of time. The statement's bounds must be date-times."""
    low, end = statement.low, statement.high
    if not (isinstance(low, datetime) and isinstance(end, datetime)):
        raise TypeError("only a window between date-times can be cut")
    length = (end - low) / max(1.0, expected_rows / PIECE_ROWS)
    while low < end:
        high = min(low + max(length, _LEAST_TIME), end)
        rows = 0
        for batch in stream(statement.text(low, high)):
            rows += batch.height
            yield batch
        length *= min(PIECE_ROWS / max(rows, 1), _MOST_GROWTH)
        low = high
