"""Reads tables without a time in the snapshot that seals the others.

In short statements with rests between them, within `export.max_snapshot_seconds`. Along their key, whose columns an
index begins with: the keys of the day's rows, some hundred in a statement, or all that there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from exporter.port.axis import Axis
from exporter.port.pace import FlatOut
from exporter.port.question import PlannedRead
from exporter.port.sliced_source import Slices, StartOverError
from exporter.port.source import KeyIndex
from exporter.read.beside import PlannedTable, refuse_two_rows
from exporter.read.key_pieces import KeyWalk, ListedKeys
from exporter.read.slice_loop import ReadSlice, SlicedRead
from exporter.read.snapshot_guard import SnapshotGuard
from exporter.shards.day_keys import DayKeys
from staging.errors import IntegrityError, UnavailableError
from staging.process.cancel import Cancel

_ROWS_PER_SECOND = 100_000
"""Narrow rows a second in short statements, with the rests."""
_WALK_FACTOR = 2
"""How much longer a walk takes, as it asks for the end of each piece first: measured 1.5 to 1.8 times as long."""
_REST_SHARE = 0.5
_LONGEST_REST_SECONDS = 0.02


def plan_pieces(table: PlannedTable[Slices], leading: PlannedRead, max_seconds: int) -> KeyIndex | str:
    """Return what a table is read along, or why it can't.

    A clause. For a table without a time, in the snapshot of the seal.
    """
    key = table.read.columns[: table.read.statement.time_index]
    like = leading.columns[: leading.statement.time_index] if table.only_keys else ()
    nullable = next((column.name for column in key if column.nullable), None)
    if nullable is not None and not table.only_keys:
        return f"the key {nullable} of {table.shown} may be NULL, and rows without a key are in no piece"
    index = table.table.find_key_index(table.key, like)
    if isinstance(index, str):
        return f"of {table.shown} {index}"
    seconds = table.estimate.rows / _ROWS_PER_SECOND * (_WALK_FACTOR if _is_walked(table) else 1)
    if seconds > max_seconds:
        return (
            f"{table.shown} has no time and gives {table.estimate.rows:,} rows {table.estimate.how}, which takes about "
            f"{seconds:.0f} s in the snapshot of the seal, and that may last {max_seconds} s"
        )
    return index


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
    table: PlannedTable[Slices],
    index: KeyIndex,
    keys: DayKeys,
    pace: RestingPace,
    cancel: Cancel,
    *,
    target_seconds: float,
) -> Iterator[pl.DataFrame]:
    """Yield the table's rows.

    InputError for a key with two rows: all rows of a key are in one frame. IntegrityError where rows that the snapshot
    holds are in no piece.
    """
    pieces = _plan_read(table, index, keys)
    axis = pieces if isinstance(pieces, Axis) else pieces.axis()
    table.table.begin_seal(table.read.statement, axis)
    read = SlicedRead(table.table, axis, pace, cancel, target_seconds=target_seconds)
    for frame, slices in read.frames_of_slices():
        kept = pieces.keep(frame, slices) if isinstance(pieces, ListedKeys) else frame
        if (twice := _keys_twice(kept, table)).height:
            if isinstance(pieces, KeyWalk):
                check_one_piece(kept, slices, table)
            raise refuse_two_rows(table.question, table.key, twice.row(0))
        yield kept
    if isinstance(pieces, KeyWalk) and read.counts.rows != pieces.rows:
        raise _index_error(f"{table.shown} gave {read.counts.rows} rows along its key, and has {pieces.rows}.")


def _plan_read(table: PlannedTable[Slices], index: KeyIndex, keys: DayKeys) -> ListedKeys | KeyWalk | Axis:
    statement = table.read.statement
    if table.only_keys:
        return ListedKeys(keys.listed(), index, table.read.plan.key)

    def ask(sql: str) -> Sequence[tuple[Any, ...]]:
        try:
            return table.table.fetch(sql)
        except UnavailableError as exc:  # the snapshot may have ended with it
            raise StartOverError(exc.what, why=exc.why, fix=exc.fix) from exc

    if _is_walked(table):
        return KeyWalk(ask, statement, index)
    (column,) = index.columns
    ((least, greatest),) = ask(
        f"SELECT MIN({column}), MAX({column}) FROM {statement.table} WHERE {statement.condition()}"  # noqa: S608 - quoted by the dialect
    )
    low, high = (0, 0) if least is None else (int(least), int(greatest) + 1)
    proof = "from the least to the greatest key, in the snapshot of the seal"
    return Axis("key", column, low, high, proof, expected_rows=table.estimate.rows)


def _is_walked(table: PlannedTable[Slices]) -> bool:
    """Whether all rows are read, and no arithmetic can cut their key."""
    key = table.read.plan.key
    return not table.only_keys and (len(key) > 1 or not key[0].dtype.is_integer())


def check_one_piece(frame: pl.DataFrame, slices: Sequence[ReadSlice], table: PlannedTable[Slices]) -> None:
    """Raise IntegrityError where two pieces found one row.

    For a frame that has a key twice: the key is then in both pieces, and in neither twice.
    """
    keys = frame[:, : len(table.key)]
    pieces = pl.concat(pl.repeat(number, each.rows.rows, eager=True) for number, each in enumerate(slices))
    if not keys.with_columns(pieces.alias("piece")).is_duplicated().any():
        raise _index_error(f"{table.shown} gave a row twice along its key.")


def _index_error(what: str) -> IntegrityError:
    return IntegrityError(
        what,
        why="All in one snapshot: the index of its key is damaged or in another order than its values, or `where` "
        "does not depend on the row alone.",
        fix="Look at `where`, or check the table (amcheck and REINDEX, CHECK TABLE). Nothing was exported.",
    )


def _keys_twice(frame: pl.DataFrame, table: PlannedTable[Slices]) -> pl.DataFrame:
    keys = frame[:, : len(table.key)]
    return keys.filter(keys.is_duplicated())
