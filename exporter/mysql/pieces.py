"""Cuts the read of a MySQL table into short statements.

They follow one another in the same snapshot. Why: the rows of a statement come as one text (`row_text`), which has to
fit into a packet and into memory; and InnoDB reads 3-4 times cheaper along its primary key than along the index of a
time column, which looks up each row.

* Along the primary key, an integer, in the range that holds the window's rows. It is proved on the time column's index
  in the same snapshot that no row of the window lies outside (`key_range`). Taken unless the keys of the window
  are strewn over much more of the table than the window has.
* Else along the time column's index.
* Without either the statement stays whole, and its rows come as texts of their own.

Half-open stretches that meet make up the whole exactly. Each is as long as the last one suggests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from exporter.mysql.key_range import ALONG_KEY, TimeIndex, WindowKeys, within
from exporter.port.axis import Axis, position_bound, time_axis
from exporter.port.source import Statement
from staging.errors import InputError

PIECE_ROWS = 65_536
PIECE_BYTES = 4 * 1024 * 1024
_MOST_GROWTH = 4.0
_CUT = 32.0
"""A piece that was too long is cut into so many: keys may lie in a few crowded places of a huge range."""

Lines = tuple[int, bytes]
"""How many rows, and their lines."""


def plan_pieces(
    keys: WindowKeys | None, statement: Statement, time_index: TimeIndex | None, window_rows: int
) -> Axis | None:
    """Return what to read along, None where the statement stays whole.

    `keys` where there is an integer primary key, `time_index` where the time column can be looked at by one.
    """
    if keys is not None:
        found = keys.find_range(time_index, window_rows, lambda ask: [ask(statement.low, statement.high)])
        if found is not None:
            return Axis("key", keys.key, found.low, found.high, "asked of the same snapshot", ALONG_KEY, found.rows)
    return time_axis(statement, expected_rows=window_rows) if time_index is not None else None


def stretch(axis: Axis, statement: Statement, low: int, high: int) -> str:
    """Return what comes after SELECT … for a part of the axis.

    FROM with the axis' hint, and WHERE.
    """
    if not statement.has_time:
        return f"FROM {statement.table} {axis.hint} WHERE {axis.condition(statement, low, high)}"
    if axis.along == "time":
        window = within(statement, position_bound(statement.low, low), position_bound(statement.low, high))
    else:
        window = f"{axis.column} BETWEEN {low} AND {high - 1} AND {within(statement, statement.low, statement.high)}"
    where = f"{window} AND ({statement.where})" if statement.where else window
    return f"FROM {statement.table} {axis.hint} WHERE {where}"


def read_pieces(axis: Axis, read: Callable[[int, int], Lines | None]) -> Iterator[Lines]:
    """Yield the lines of the axis, stretch by stretch.

    `read` returns None where a stretch was too long to come whole. InputError for a row that is too long by itself.
    """
    length = most = max(1.0, (axis.high - axis.low) / max(axis.expected_rows, 1)) * PIECE_ROWS
    low = axis.low
    while low < axis.high:
        high = min(low + max(int(length), 1), axis.high)
        found = read(low, high)
        if found is None:
            if high - low == 1:
                raise too_long(f"One value of {axis.column} has rows of more bytes")
            length = (high - low) / _CUT
            continue
        rows, lines = found
        if rows:
            yield found
        fits = min(PIECE_ROWS / max(rows, 1), PIECE_BYTES / max(len(lines), 1))
        length = min(length * min(fits, _MOST_GROWTH), most * _MOST_GROWTH)
        low = high


def too_long(what: str) -> InputError:
    """Return the error of what no packet holds; `what` ends in "bytes"."""
    return InputError(
        f"{what} than the server's max_allowed_packet allows.",
        why="Such a value can't be sent.",
        fix="Raise max_allowed_packet on the server, or leave long columns out of `source.columns`.",
    )
