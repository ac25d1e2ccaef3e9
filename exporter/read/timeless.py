"""Reads tables without a time in the snapshot that seals the others.

In short statements with rests between them, within `export.max_snapshot_seconds`. Along their key, which has to be one
whole number that an index begins with: the keys of the day's rows, some hundred in a statement, or all that there are.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from exporter.port.pace import FlatOut
from exporter.port.sliced_source import Axis, Slices
from exporter.read.beside import PlannedTable, refuse_two_rows
from exporter.read.slice_loop import SlicedRead
from exporter.read.snapshot_guard import SnapshotGuard
from exporter.shards.day_keys import DayKeys
from staging.process.cancel import Cancel

_ROWS_PER_SECOND = 100_000
"""What comes of narrow rows in short statements, with the rests."""
_REST_SHARE = 0.5
_LONGEST_REST_SECONDS = 0.02


def why_no_pieces(table: PlannedTable[Slices], max_seconds: int) -> str:
    """Return why a table can't be read in pieces, or "".

    A clause. Of a table without a time, in the snapshot of the seal.
    """
    key = table.read.plan.key
    column = table.read.columns[0]
    if len(key) > 1 or not key[0].dtype.is_integer():
        return f"the key of {table.shown} is no single whole number, along which it could be read in short pieces"
    if not column.indexed:
        return f"no index of {table.shown} begins with its key {column.name}"
    if column.nullable and not table.only_keys:
        return f"the key {column.name} of {table.shown} may be NULL, and rows without a key are in no piece"
    seconds = table.estimate.rows / _ROWS_PER_SECOND
    if seconds > max_seconds:
        return (
            f"{table.shown} has no time and gives {table.estimate.rows:,} rows {table.estimate.how}, which takes about "
            f"{seconds:.0f} s in the snapshot of the seal, and that may last {max_seconds} s"
        )
    return ""


class RestingPace(FlatOut):
    """Rests after each statement as long as it took.

    No more when half of the time of the snapshot is over: it is open meanwhile.
    """

    def __init__(self, cancel: Cancel, guard: SnapshotGuard) -> None:
        super().__init__(cancel)
        self._stop = cancel
        self._guard = guard

    def before_slice(self) -> None:
        """Go on, unless asked to stop or the snapshot is too old."""
        self._guard.check()

    def after_slice(self, seconds: float, rows: int) -> None:
        """Rest."""
        del rows
        if self._guard.share_over() < _REST_SHARE:
            self._stop.wait(min(seconds, _LONGEST_REST_SECONDS))


def read_timeless(
    table: PlannedTable[Slices], keys: DayKeys, pace: RestingPace, cancel: Cancel, *, target_seconds: float
) -> Iterator[pl.DataFrame]:
    """Yield the table's rows.

    InputError for a key with two rows: all rows of a key are in one frame.
    """
    axis = _plan_axis(table, keys)
    table.table.begin_seal(table.read.statement, axis)
    for frame in SlicedRead(table.table, axis, pace, cancel, target_seconds=target_seconds).frames():
        twice = frame.filter(frame.to_series(0).is_duplicated())
        if twice.height:
            raise refuse_two_rows(table.question, table.key, (twice.item(0, 0),))
        yield frame


def _plan_axis(table: PlannedTable[Slices], keys: DayKeys) -> Axis:
    column, statement = table.read.columns[0].quoted, table.read.statement
    if table.only_keys:
        listed = keys.listed()
        proof = "the keys of the day's rows, in the snapshot of the seal"
        return Axis("listed", column, 0, len(listed), proof, expected_rows=len(listed), keys=listed)
    ((least, greatest),) = table.table.fetch(
        f"SELECT MIN({column}), MAX({column}) FROM {statement.table} WHERE {statement.condition()}"  # noqa: S608 - quoted by the dialect
    )
    proof = "from the least to the greatest key, in the snapshot of the seal"
    if least is None or greatest is None:
        return Axis("key", column, 0, 0, proof)
    rows = table.estimate.rows
    return Axis("key", column, int(str(least)), int(str(greatest)) + 1, proof, expected_rows=rows)
