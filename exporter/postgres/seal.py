"""The seal of PostgreSQL.

It proves that the row versions that were read are those that the statement gives at one instant. Each slice brings the
number of each row's version (`row_version`). The seal takes one snapshot after the last slice, asks the same statement
in it, and compares count and sum of these numbers. An inserted, updated or moved row is another version, a deleted one
is missing, one that came outside the range that was read was not read: none of these can make up for another. A row
that was written after the read began and before its slice came is no fault: it was read as it is. A lock (`FOR UPDATE`)
makes no version. A version's values mean the same all the time, as the definition did not change (`definition`).

To most days nobody writes. If a row alone decides whether it is chosen, a stretch of slices is asked for less first:
how many rows it has, and whether all of them are older than the read. Such a row was there when its slice came (nothing
undoes a deletion), so what the stretch has now is part of what was read; if it is as many, it is all of it. That costs
a third of the sum, which is asked for only if this proves nothing.

The sum is right for any `source.where`: a condition that asks another table, the clock or chance chose the same rows
when they were read as at the seal's instant, or the seal does not agree. In its one transaction `now()` does not
change.

It counts in pieces as short as slices, as a shop feels one long statement; all of them in that one snapshot, which
lasts a second or two for some million rows. (Pieces of instants of their own would prove nothing: a row can move from a
piece that was counted into one that was not.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from exporter.port.axis import Axis
from exporter.port.slice_length import SliceLength
from exporter.port.sliced_source import Seal, SliceRows, Stretch
from exporter.port.source import Statement
from exporter.postgres.connection import rows_of
from exporter.postgres.row_version import is_new_sql, is_not_old_sql, version_sql
from exporter.postgres.same_rows import SNAPSHOT
from exporter.postgres.witness import Witness
from staging.errors import PenstockError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PIECE_SECONDS = 0.002
_REST_SECONDS = 4.0
_REST_SHARE = 3
"""The largest part of the snapshot's seconds that may be spent on resting."""
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
        """Take note that another connection has replaced a lost one."""
        self.is_open = False


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of the axis, and how it is asked.

    `high` is exclusive; between its pieces it rests until `rest_until`.
    """

    fetch: Callable[[str], SliceRows]
    low: int
    high: int
    rest_until: float


class SealCount:
    """Counts a window's rows, and adds up versions where it must.

    In pieces of about the length of a slice, in the one snapshot that all of them share; it must have been taken after
    the last slice. `is_by_row`: whether the row alone decides if it is chosen.
    """

    def __init__(self, statement: Statement, axis: Axis, witness: Witness, *, is_by_row: bool) -> None:
        self._quick = f"count(*), count(*) FILTER (WHERE {is_not_old_sql(witness.oldest_running)})"
        self._whole = (
            f"count(*), count(*) FILTER (WHERE {is_new_sql(witness)}), coalesce(sum({version_sql(witness)}), 0)::text"
        )
        self._statement = statement
        self._axis = axis
        self._is_by_row = is_by_row
        self._lengths = {select: SliceLength(axis, _PIECE_SECONDS) for select in (self._quick, self._whole)}
        self.rows = 0
        self.new_rows = 0
        self.checksum = 0
        self.rows_outside = 0

    def count(self, read: Sequence[Stretch], fetch: Callable[[str], SliceRows], rest_seconds: float) -> None:
        """Count all of it, stretch by stretch as it was read.

        It rests after a piece as long as that took, but not for ever: a snapshot is open.
        """
        rest_until = time.monotonic() + rest_seconds
        low, is_calm = self._axis.low, self._is_by_row
        for stretch in (*read, Stretch(self._axis.high, 0, 0)):
            part = _Part(fetch, low, stretch.high, rest_until)
            if is_calm and self._is_as_read(part, stretch):
                self.rows, self.checksum = self.rows + stretch.rows, self.checksum + stretch.checksum
            else:
                is_calm = not self._add_up(part) and self._is_by_row
            low = stretch.high
        for condition in self._axis.outside(self._statement):
            ((rows, *_),) = rows_of(fetch(self._text(self._quick, condition)))
            self.rows_outside += rows

    def _is_as_read(self, part: _Part, stretch: Stretch) -> bool:
        """Return whether the stretch has as many rows as were read, all of them older than the read.

        Then they are the rows that were read: what is seen now and is that old was seen by its slice, too.
        """
        rows = 0
        for found, not_old in self._ask(part, self._quick):
            rows += found
            if not_old:
                return False
        return rows == stretch.rows

    def _add_up(self, part: _Part) -> int:
        """Add up the versions of a stretch, and return how many are new."""
        before = self.new_rows
        for rows, new_rows, checksum in self._ask(part, self._whole):
            self.rows += rows
            self.new_rows += new_rows
            self.checksum += int(checksum)
        return self.new_rows - before

    def _ask(self, part: _Part, select: str) -> Iterator[tuple[Any, ...]]:
        length, position = self._lengths[select], part.low
        while position < part.high:
            end = min(length.end_of(position), part.high)
            piece = part.fetch(self._text(select, self._axis.condition(self._statement, position, end)))
            ((rows, *others),) = rows_of(piece)
            length.took(end - position, SliceRows(rows, 0, piece.seconds, None))
            position = end
            yield rows, *others
            if time.monotonic() < part.rest_until:
                time.sleep(min(piece.seconds, _LONGEST_REST_SECONDS))

    def _text(self, select: str, condition: str) -> str:
        return f"SELECT {select} FROM {self._statement.table} WHERE {condition}"  # noqa: S608 - quoted


def judge_seal(
    found: SealCount,
    instant: tuple[object, ...],
    *,
    read: Sequence[Stretch],
    witness: Witness,
    seconds: float,
) -> Seal:
    """Compare what was counted with what was read."""
    micros, position = int(str(instant[0])), str(instant[1])
    rows_read, checksum_read = sum(each.rows for each in read), sum(each.checksum for each in read)
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
