"""The seal of PostgreSQL.

The versions of rows that were read are those that the statement gives at one instant. Each slice brings the number of
each row's version (`row_version`). The seal takes one snapshot after the last slice, asks the same statement in it, and
compares count and sum of these numbers. An inserted, updated or moved row is another version, a deleted one is missing,
one that came outside the range that was read was not read: none of these can make up for another. A row that was
written after the read began and before its slice came is no fault: it was read as it is. A lock (`FOR UPDATE`) makes no
version. What a version holds means the same all the time, for the definition did not change (`definition`).

So nothing has to be known of `source.where`: a condition that asks another table, the clock or chance has chosen the
same rows when they were read as it chooses at the seal's instant, or the seal does not agree. In its one transaction
`now()` stands still.

It counts in pieces as short as slices, for one long statement is what a shop feels; all of them in that one snapshot,
which lasts a second or two for some million rows. (Pieces of instants of their own would prove nothing: a row can move
from a piece that was counted into one that was not.)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from exporter.port.slice_length import SliceLength
from exporter.port.sliced_source import Axis, Seal, SliceRows
from exporter.port.source import Statement
from exporter.postgres.connection import rows_of
from exporter.postgres.row_version import is_new_sql, version_sql
from exporter.postgres.same_rows import SNAPSHOT
from exporter.postgres.witness import Witness
from staging.errors import PenstockError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PIECE_SECONDS = 0.002
_REST_SECONDS = 4.0
_REST_SHARE = 3
"""What part of the seconds that the snapshot may last is rested at most."""
_LONGEST_REST_SECONDS = 0.02

INSTANT_SQL = """
SELECT (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint,
       CASE WHEN pg_is_in_recovery() THEN 'replay ' || pg_last_wal_replay_lsn()::text
            ELSE pg_current_wal_lsn()::text END,
       pg_current_snapshot()::text
"""


class SealSnapshot:
    """The one snapshot that all tables of a read are sealed in.

    `fetch` runs a statement on the connection that reads.
    """

    def __init__(self, tables: int, max_seconds: int) -> None:
        rest_seconds = min(_REST_SECONDS, max_seconds / _REST_SHARE) if max_seconds else _REST_SECONDS
        self.rest_seconds = rest_seconds / tables
        """How long the count of one table may rest."""
        self.is_open = False
        self._instant: tuple[object, ...] = ()

    def begin(self, fetch: Callable[[str], SliceRows]) -> tuple[object, ...]:
        """Begin it, unless it has begun.

        Returns its time, its place in the log, and its transactions.
        """
        if not self.is_open:
            fetch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            self.is_open = True
            (self._instant,) = rows_of(fetch(INSTANT_SQL))
        return self._instant

    def end(self, fetch: Callable[[str], SliceRows]) -> None:
        """End it; safe to call twice."""
        if self.is_open:
            self.is_open = False
            with suppress(PenstockError):  # a dead connection has ended it
                fetch("ROLLBACK")

    def lost(self) -> None:
        """Take note that its connection is gone, and another one there."""
        self.is_open = False


class SealCount:
    """Counts a window's rows and adds up their versions.

    In pieces of about the length of a slice. `fetch` runs a statement in the one snapshot that all pieces share; it
    must have been taken after the last slice.
    """

    def __init__(self, statement: Statement, axis: Axis, witness: Witness) -> None:
        self._select = (
            f"count(*), count(*) FILTER (WHERE {is_new_sql(witness)}), coalesce(sum({version_sql(witness)}), 0)::text"
        )
        self._statement = statement
        self._axis = axis
        self.rows = 0
        self.new_rows = 0
        self.checksum = 0
        self.rows_outside = 0

    def count(self, fetch: Callable[[str], SliceRows], rest_seconds: float) -> None:
        """Count all of it.

        It rests after a piece as long as that took, but not for ever: a snapshot is open.
        """
        length, position = SliceLength(self._axis, _PIECE_SECONDS), self._axis.low
        rest_until = time.monotonic() + rest_seconds
        while position < self._axis.high:
            end = length.end_of(position)
            rows, piece = self._count(fetch, self._axis.condition(self._statement, position, end))
            length.took(end - position, SliceRows(rows, 0, piece.seconds, None))
            position = end
            if time.monotonic() < rest_until:
                time.sleep(min(piece.seconds, _LONGEST_REST_SECONDS))
        for condition in self._axis.outside(self._statement):
            self.rows_outside += self._count(fetch, condition)[0]

    def _count(self, fetch: Callable[[str], SliceRows], condition: str) -> tuple[int, SliceRows]:
        piece = fetch(f"SELECT {self._select} FROM {self._statement.table} WHERE {condition}")  # noqa: S608 - quoted
        ((rows, new_rows, checksum),) = rows_of(piece)
        self.rows, self.new_rows, self.checksum = (
            self.rows + rows,
            self.new_rows + new_rows,
            self.checksum + int(checksum),
        )
        return rows, piece


def judge_seal(
    found: SealCount,
    instant: tuple[object, ...],
    *,
    read: tuple[int, int],
    witness: Witness,
    seconds: float,
) -> Seal:
    """Compare what was counted with what was read: rows and checksum."""
    micros, position = int(str(instant[0])), str(instant[1])
    rows_read, checksum_read = read
    is_same = (found.rows, found.checksum, found.rows_outside) == (rows_read, checksum_read, 0)
    told = [f"{found.rows} rows, {found.new_rows} of them new"]
    if found.rows_outside:
        told.append(f"{found.rows_outside} of them outside the keys that were read")
    elif not is_same:
        told.append("not the versions that were read")
    return Seal(
        agrees=is_same,
        as_of=_EPOCH + timedelta(microseconds=micros),
        how="PostgreSQL: version of every row (place and xmin), count",
        found="; ".join(told),
        expected=f"the {rows_read} rows that were read",
        rows_differ=0 if is_same else max(abs(found.rows - rows_read), found.new_rows, 1),
        seconds=seconds,
        evidence={
            "oldest_transaction_before": witness.oldest_running,
            "lsn": position,
            SNAPSHOT: str(instant[2]),
        },
    )
