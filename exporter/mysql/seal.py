"""The seal of MySQL and MariaDB.

It proves that what was read has the same rows as the window, by count and by checksum. InnoDB shows no versions of
rows, so the seal looks at all that a slice carries: a row's checksum is computed from its text and a key (`row_text`),
by us from the bytes that were read, by the server from the rows that it sees at the end. Inserted, deleted, updated or
moved rows change the sum, even if they were chosen to make up for one another. If `source.where` asks more than the
row, another table or the clock, it chooses the same rows at the seal's instant, or the sums differ: in all pieces the
clock shows that instant.

The server sees one instant: one consistent snapshot, read by short statements with rests, the same pieces that were
read as slices. (One long statement would prove the same, and be felt.) It ends within `SEAL_SECONDS`, or takes no rest.
Where a range of keys was read, the seal looks in the same snapshot for rows of the window outside of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from exporter.mysql.axis import PlannedAxis
from exporter.mysql.definition import begin_snapshot
from exporter.mysql.key_range import ALONG_KEY, outside_sql
from exporter.mysql.log import find_executed_gtids, find_log_position
from exporter.mysql.table import Run
from exporter.mysql.walk import Rest, walk
from exporter.port.axis import position_bound
from exporter.port.source import Statement
from staging.errors import InputError, PenstockError

SEAL_SECONDS = 15.0
"""How old the seal's snapshot may get by resting; snapshots of 20 s were not felt."""
_REST_SHARE = 3
"""The largest part of the snapshot's seconds that may be spent on resting."""
_COST_OF_READ = 0.8  # a piece's seal against its read
_DOING = "seal what was read"


@dataclass(frozen=True, slots=True)
class Sealed:
    """What the snapshot held.

    Rows of the statement, the sum of their checksums; rows outside the keys, at least.
    """

    rows: int
    checksum: int
    rows_outside: int


@dataclass(frozen=True, slots=True)
class SealQuestion:
    """What is to be sealed.

    The statement, what it was cut along, the pieces, and the SQL of a row's checksum. `read_seconds` is how long the
    slices took; the rests between them took `rest_factor` times as long. `seal_seconds`: how old the snapshot may get
    meanwhile by resting.
    """

    statement: Statement
    planned: PlannedAxis
    pieces: Sequence[tuple[int, int]]
    checksum: str
    read_seconds: float
    rest_factor: float
    seal_seconds: float = SEAL_SECONDS


class SealSnapshot:
    """The one consistent snapshot in which all tables are sealed."""

    def __init__(self, tables_sql: Sequence[str], dialect: str, max_seconds: int) -> None:
        self._tables_sql = tables_sql
        self._dialect = dialect
        self._as_of: datetime | None = None
        self._seal_seconds = min(SEAL_SECONDS, max_seconds / _REST_SHARE) if max_seconds else SEAL_SECONDS
        self.read_seconds: dict[int, float] = {}
        """How long the slices of each table took, by whatever tells them apart."""
        self.position: Mapping[str, str] = {}
        """Where it lies in the log."""

    @property
    def is_open(self) -> bool:
        """Whether it has begun, and not ended."""
        return self._as_of is not None

    def begin(self, run: Run) -> datetime:
        """Begin it, unless it has begun, and return its instant.

        All tables' definitions are held in it. The clock of `source.where` shows that instant in all of it.
        """
        if self._as_of is not None:
            return self._as_of
        doing = "begin a snapshot"
        ((as_of, micros),) = run("SELECT UTC_TIMESTAMP(6), UNIX_TIMESTAMP(NOW(6))", "tell the time")
        self._as_of = as_of.replace(tzinfo=UTC)
        with suppress(InputError):  # secure_timestamp: then it goes on, as it does between slices
            run(f"SET SESSION timestamp = {micros}", doing)
        before = find_executed_gtids(run, self._dialect)
        run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", doing)
        begin_snapshot(run, *self._tables_sql, dialect=self._dialect)
        self.position = find_log_position(run, self._dialect, before)
        return self._as_of

    def seal_seconds(self, table: int) -> float:
        """Return how long a table's seal may take to spare the server."""
        of_all = sum(self.read_seconds.values())
        return self._seal_seconds * (self.read_seconds.get(table, 0.0) / of_all if of_all else 1.0)

    def end(self, run: Run) -> None:
        """End it, and let the clock go on; safe to call twice."""
        if self._as_of is not None:
            self._as_of = None
            with suppress(PenstockError):  # a dead connection has ended both
                run("ROLLBACK", "end the snapshot")
                run("SET SESSION timestamp = DEFAULT", "let the clock go on")

    def lost(self) -> None:
        """Take note that another connection has replaced a lost one."""
        self._as_of = None


def seal_window(run: Run, question: SealQuestion, rest: Rest) -> Sealed:
    """Count and sum the whole window in the open snapshot.

    It rests as the reading did.
    """
    rest.limit(question.seal_seconds, question.read_seconds * _COST_OF_READ, question.rest_factor)
    in_window = rows = checksum = 0
    for low, high in question.pieces:
        began = time.perf_counter()
        (found,) = run(_piece(question, low, high), _DOING)
        in_window, rows, checksum = (a + int(b or 0) for a, b in zip((in_window, rows, checksum), found, strict=True))
        rest.after(time.perf_counter() - began)
    return Sealed(rows, checksum, _rows_outside(run, question, in_window, rest))


def _piece(question: SealQuestion, low: int, high: int) -> str:
    """Return the statement: rows of the window, rows that `where` leaves of them, the sum of their checksums."""
    statement, axis = question.statement, question.planned.axis
    checksum = question.checksum
    figures = (
        f"COUNT(*), COUNT(IF(({statement.where}), 1, NULL)), SUM(IF(({statement.where}), {checksum}, 0))"
        if statement.where
        else f"COUNT(*), COUNT(*), SUM({checksum})"
    )
    if axis.along == "time":
        where = statement.window(position_bound(statement.low, low), position_bound(statement.low, high))
    else:
        where = f"{statement.window()} AND {axis.column} >= {low} AND {axis.column} < {high}"
    return f"SELECT {figures} FROM {statement.table} {axis.hint} WHERE {where}"  # noqa: S608 - quoted by the dialect


def _rows_outside(run: Run, question: SealQuestion, in_window: int, rest: Rest) -> int:
    """Return how many rows of the window lie outside the range of keys, at least."""
    statement, axis, time_axis = question.statement, question.planned.axis, question.planned.time
    if axis.along == "time":
        return 0
    index, keys = question.planned.index, (axis.low, axis.high)
    if question.planned.outside == "time" and time_axis is not None and index is not None:

        def look(low: int, high: int) -> int:
            part = position_bound(statement.low, low), position_bound(statement.low, high)
            return len(run(outside_sql(statement, axis.column, index, keys, part=part), _DOING))

        return sum(walk(time_axis.low, time_axis.high, in_window, look, rest))
    # Not COUNT(*) alone: see `definition.begin_snapshot`; what it says is then lost least often.
    ((rows, _),) = run(
        f"SELECT COUNT(*), MIN({axis.column}) FROM {statement.table} {ALONG_KEY} WHERE {statement.window()} "  # noqa: S608 - quoted
        f"AND ({axis.column} < {axis.low} OR {axis.column} >= {axis.high})",
        _DOING,
    )
    return int(rows)
