"""The seal of PostgreSQL: no row of the window was written since before the first slice, and none has gone.

Let S be the oldest transaction that was still running before the first slice (`pg_snapshot_xmin`). Every transaction
below S had ended by then: MVCC itself shows or hides rows by this. So whatever wrote or deleted a row during the read
has a number of S or above; also a transaction that had begun earlier and commits late, whose number is above S or S
itself, and a subtransaction's, which is above its parent's.

The seal takes one snapshot after the last slice and finds V, the rows of the window. If none of them has an
`xmin` of S or above, each row of V was committed before the first slice and is still there, so it was there all along,
and the one slice that covers its place has read it: V is a part of what was read. If V also has as many rows as were
read, V *is* what was read. An inserted, updated or moved row is a new version (`xmin`); a deleted one is missing in
the count; a lock (`FOR UPDATE`) writes only `xmax`.

Numbers of transactions wrap around, and a row that was frozen long ago keeps its number. `age(xmin)` counts back from
now, so a new row is one whose age lies between that of the seal's own horizon and that of S. A frozen row of 2^31
transactions ago can look like one by chance, which costs a false alarm and never a wrong export.

It counts in pieces as short as slices, for one long statement is what a shop feels; all of them in that one snapshot,
which lasts a second or two for some million rows. (Pieces of instants of their own would prove nothing: a row can move
from a piece that was counted into one that was not.)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from exporter.port.slice_length import SliceLength
from exporter.port.sliced_source import Axis, Seal, SliceRows
from exporter.port.source import Statement
from exporter.postgres.connection import rows_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PIECE_SECONDS = 0.002
_REST_SECONDS = 4.0
_LONGEST_REST_SECONDS = 0.02

OLDEST_RUNNING_SQL = "SELECT pg_snapshot_xmin(pg_current_snapshot())::xid::text"


INSTANT_SQL = """
SELECT (extract(epoch FROM statement_timestamp()) * 1000000)::bigint,
       CASE WHEN pg_is_in_recovery() THEN 'replay ' || pg_last_wal_replay_lsn()::text
            ELSE pg_current_wal_lsn()::text END
"""


class SealCount:
    """Counts the rows of a window, and the new ones among them, in pieces of about the length of a slice.

    `fetch` runs a statement in the one snapshot that all pieces share; it must have been taken after the last slice.
    """

    def __init__(self, statement: Statement, axis: Axis, oldest_running: str) -> None:
        # In scalar subqueries, so that they are computed once and not for each row.
        newest = "(SELECT age(pg_snapshot_xmax(pg_current_snapshot())::xid))"
        oldest = f"(SELECT age('{oldest_running}'::xid))"
        self._select = f"count(*), count(*) FILTER (WHERE age(xmin) <= {oldest} AND age(xmin) > {newest})"
        self._statement = statement
        self._axis = axis
        self.rows = 0
        self.new_rows = 0

    def count(self, fetch: Callable[[str], SliceRows]) -> None:
        """Count all of it. It rests after a piece as long as that took, but not for ever: a snapshot is open."""
        length, position = SliceLength(self._axis, _PIECE_SECONDS), self._axis.low
        rest_until = time.monotonic() + _REST_SECONDS
        while position < self._axis.high:
            end = length.end_of(position)
            piece = self._count(fetch, self._axis.condition(self._statement, position, end))
            length.took(end - position, piece)
            position = end
            if time.monotonic() < rest_until:
                time.sleep(min(piece.seconds, _LONGEST_REST_SECONDS))
        for condition in self._axis.outside(self._statement):
            self._count(fetch, condition)

    def _count(self, fetch: Callable[[str], SliceRows], condition: str) -> SliceRows:
        piece = fetch(f"SELECT {self._select} FROM {self._statement.table} WHERE {condition}")  # noqa: S608 - quoted
        ((rows, new_rows),) = rows_of(piece)
        self.rows, self.new_rows = self.rows + rows, self.new_rows + new_rows
        return SliceRows(rows, 0, piece.seconds, None)


def judge_seal(
    found: SealCount, instant: tuple[object, ...], *, rows_read: int, touched: str, oldest_running: str, seconds: float
) -> Seal:
    """Compare what was counted with what was read. `touched` is what speaks against it besides, "" if nothing does."""
    micros, position = int(str(instant[0])), str(instant[1])
    counted = f"{found.rows} rows, {found.new_rows} of them new"
    return Seal(
        agrees=found.rows == rows_read and found.new_rows == 0 and not touched,
        as_of=_EPOCH + timedelta(microseconds=micros),
        how="PostgreSQL: xmin of every row, count",
        found=f"{counted}; {touched}" if touched else counted,
        expected=f"{rows_read} rows, 0 of them new",
        rows_differ=max(abs(found.rows - rows_read), found.new_rows),
        seconds=seconds,
        evidence={"oldest_transaction_before": oldest_running, "lsn": position},
    )
