"""Reads MySQL or MariaDB tables in slices.

The witnesses first, short statements in autocommit, and the seal at the end. InnoDB tables only. Rights: SELECT on the
table; PROCESS makes it more certain that the day is closed (`closed`) and that the table is still the same
(`definition`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.engine import URL

from databases.mysql.errors import error_number
from exporter.mysql.axis import PlannedAxis, find_key_index, plan_axis
from exporter.mysql.catalogue import MysqlCatalogue
from exporter.mysql.definition import check_definition, find_definition
from exporter.mysql.pieces import stretch
from exporter.mysql.row_text import (
    ANY_LITERAL,
    RowChecksum,
    carry_as_text,
    checksum_of,
    is_whole,
    nullable_selects,
    parse_rows,
    plan_checksum,
    plan_slice_select,
)
from exporter.mysql.seal import Sealed, SealQuestion, SealSnapshot, seal_window
from exporter.mysql.session import MysqlSession
from exporter.mysql.table import MysqlTable
from exporter.mysql.walk import Rest
from exporter.mysql.witness import Witness, find_server, take_witness
from exporter.port.axis import Axis
from exporter.port.slice_length import empty_round_trip_seconds
from exporter.port.sliced_source import (
    Gathered,
    Seal,
    SliceLostError,
    SliceRows,
    SliceTooLongError,
    StartOverError,
    Stretch,
    changed,
    touched_while_read,
)
from exporter.port.source import KeyIndex, SourceColumn, Statement, TableName
from staging.errors import InputError

_NO_SUCH_TABLE = 1146
_PIECE_SECONDS = 0.003
_HOW = "keyed checksum of every row, count"


@dataclass(frozen=True, slots=True)
class SealedRead:
    """What all tables of one read in slices share."""

    session: MysqlSession
    catalogue: MysqlCatalogue
    dialect: str
    witnesses: Mapping[TableName, Witness]
    snapshot: SealSnapshot
    rest: Rest

    def set_charset(self, setting: str) -> None:
        """Set the character set of literals, once it is utf8mb4 for good."""
        if ANY_LITERAL not in self.session.set_too:
            self.session.set_also(setting)


def begin_sliced_read(
    url: URL, catalogue: MysqlCatalogue, tables: Sequence[TableName], *, dialect: str, max_seconds: int
) -> SealedRead:
    """Take the witnesses of all tables.

    InputError where one is not there.
    """
    session = MysqlSession(url)
    for table in tables:
        catalogue.columns(table)  # says which table there may be instead
    tables_sql = {table: catalogue.table_sql(table) for table in tables}
    witnesses = {
        table: take_witness(session.run, table, table_sql, dialect=dialect) for table, table_sql in tables_sql.items()
    }
    snapshot = SealSnapshot(list(tables_sql.values()), dialect, max_seconds)
    return SealedRead(session, catalogue, dialect, witnesses, snapshot, Rest())


class MysqlSlices(MysqlTable):
    """One table, read piece by piece."""

    def __init__(self, read: SealedRead, table: TableName) -> None:
        """Begin with a table whose witness was taken."""
        super().__init__(read.catalogue, read.session.run, table, dialect=read.dialect, carry=carry_as_text)
        self._read = read
        self._session = read.session
        self._witness = read.witnesses[table]
        self._rest = read.rest
        self._leads = True
        self._axis: Axis | None = None
        self._planned: PlannedAxis | None = None
        self._statement: Statement | None = None
        self._checksum = self._slice_select = ""
        self._began_at = self._ended_at = 0.0
        self._round_trip_seconds = 0.0
        self._pieces: list[tuple[int, int]] = []
        self._read_seconds = self._piece_seconds = self._gather_seconds = 0.0
        self.evidence: dict[str, str] = {}

    def beside(self, table: TableName) -> MysqlSlices:
        """Return another table of this read."""
        other = MysqlSlices(self._read, table)
        other._leads = False
        return other

    @property
    def connection_id(self) -> int:
        """The server's number of the connection that reads."""
        return self._session.connection_id

    def plan_axis(self, statement: Statement) -> Axis | str:
        """Return the axis, or why there is none.

        A range of the integer primary key, or the time column.
        """
        planned = plan_axis(self, self._catalogue, statement, self._rest)
        if isinstance(planned, str):
            return planned
        self._planned = planned
        return planned.axis

    def find_key_index(self, key: Sequence[str], like: Sequence[SourceColumn]) -> KeyIndex | str:
        """Return an index whose order of keys is that of their values."""
        del like  # what is no value of a column's type equals none
        return find_key_index(self._catalogue, self.table, key)

    def begin_seal(self, statement: Statement, axis: Axis) -> None:
        """Note what is to be sealed, and how rows are written."""
        self._statement, self._axis = statement, axis
        nullable = nullable_selects(self.describe())
        self._checksum = plan_checksum(statement, nullable, self._witness.key)
        self._slice_select = plan_slice_select(statement, nullable)
        self._pieces = []
        self._read_seconds = self._piece_seconds = self._gather_seconds = 0.0
        self._read.set_charset(self.plan_charset(statement))
        self._began_at = self._ended_at = time.monotonic()
        self._round_trip_seconds = empty_round_trip_seconds(lambda: self._session.run("SELECT 1", "answer"))

    def read_slice(self, low: int, high: int) -> SliceRows:
        """Read one slice, whole.

        Its seconds are the server's and the rows' way, without an empty round trip.
        """
        began = time.perf_counter()
        with self._same_table():
            ((rows, text),) = self._run_slice(low, high)
        seconds = max(time.perf_counter() - began - self._round_trip_seconds, 0.0)
        lines = (text or "").encode()
        if not is_whole(lines, rows, longest_bytes=self._session.longest_text_bytes):
            raise SliceTooLongError(
                "The server could not send a slice whole.",
                why=f"{rows} rows have more bytes than max_allowed_packet allows.",
                fix="Raise max_allowed_packet on the server, or leave long columns out of `source.columns`.",
            )
        self._note_piece(low, high, seconds)
        return SliceRows(rows, len(lines), seconds, lines)

    def gather(self, slices: Sequence[SliceRows]) -> Gathered:
        """Parse the rows of several slices, and add up their checksums."""
        assert self._statement is not None  # noqa: S101 - begin_seal came before
        began = time.perf_counter()
        frame = parse_rows([each.data for each in slices], self._statement)
        assert frame.height == sum(each.rows for each in slices)  # noqa: S101 - `is_whole` counted them
        gathered = Gathered(frame, sum(checksum_of(each.data, each.rows, self._witness.key) for each in slices))
        self._gather_seconds += time.perf_counter() - began
        self._ended_at = time.monotonic()
        return gathered

    def reconnect(self) -> None:
        """Connect again.

        The server is the same if it has its name and number and has been up for all that time.
        """
        self._read.snapshot.lost()
        self._session.reconnect()
        if not self._witness.server.is_same(find_server(self._session.run)):
            raise StartOverError(
                "The connection was lost, and the server is another one now or was restarted.",
                why="What was read before can't be told to belong to what it holds now.",
                fix="Run again.",
            )

    def seal(self, read: Sequence[Stretch]) -> Seal:
        """Count the window's rows and add up their checksums, in one snapshot."""
        assert self._statement is not None and self._planned is not None  # noqa: S101, PT018 - begin_seal came before
        snapshot = self._read.snapshot
        rested_seconds = self._ended_at - self._began_at - self._read_seconds - self._gather_seconds
        if not snapshot.is_open:
            self._check_definition()
        question = SealQuestion(
            self._statement,
            self._planned,
            self._pieces,
            self._checksum,
            self._read_seconds,
            max(rested_seconds, 0.0) / max(self._read_seconds, 1e-6),
            snapshot.seal_seconds(id(self)),
        )
        began = time.monotonic()
        with self._same_table():
            as_of = snapshot.begin(self._session.run)
            sealed = seal_window(self._session.run, question, self._rest)
        self.evidence |= snapshot.position
        self.evidence |= RowChecksum(self._witness.key, sealed.checksum).evidence()
        rows, checksum = sum(each.rows for each in read), sum(each.checksum for each in read)
        return self._judge(sealed, rows, checksum, as_of, time.monotonic() - began)

    def end_seal(self) -> None:
        """End the snapshot that all tables are sealed in."""
        self._read.snapshot.end(self._session.run)

    def check_table(self) -> None:
        """Raise an error if the table is not the witness's.

        The error is what the definition says.
        """
        if touched := self._check_definition():
            raise touched_while_read(self.table, touched)

    def interrupt(self) -> None:
        """Take no more rests; callable from any thread."""
        self._rest.end()

    def close(self) -> None:
        """Let go of the connection."""
        if self._leads:
            self._session.close()

    def _run_slice(self, low: int, high: int) -> Sequence[tuple[Any, ...]]:
        assert self._statement is not None and self._axis is not None  # noqa: S101, PT018 - see above
        try:
            part = stretch(self._axis, self._statement, low, high)
            return self._session.run(f"SELECT {self._slice_select} {part}", "read a slice")
        except SliceLostError as exc:
            if self._read.snapshot.is_open:  # it ends with its connection
                raise StartOverError(exc.what, why=exc.why, fix=exc.fix) from exc
            raise

    def _note_piece(self, low: int, high: int, seconds: float) -> None:
        """Note what the seal will look at in one statement: a slice, or several short ones."""
        self._read_seconds += seconds
        self._read.snapshot.read_seconds[id(self)] = self._read_seconds
        self._ended_at = time.monotonic()
        if self._pieces and self._piece_seconds + seconds < _PIECE_SECONDS:
            self._pieces[-1] = (self._pieces[-1][0], high)
            self._piece_seconds += seconds
        else:
            self._pieces.append((low, high))
            self._piece_seconds = seconds

    @contextmanager
    def _same_table(self) -> Iterator[None]:
        """Where a statement is refused, say so if that is because the table is another one now."""
        try:
            yield
        except InputError:
            self.end_seal()
            self._check_definition()
            raise

    def _check_definition(self) -> str:
        try:
            now = find_definition(self._session.run, self.table, self.table_sql, dialect=self._dialect)
        except InputError as exc:
            if exc.__cause__ is None or error_number(exc.__cause__) != _NO_SUCH_TABLE:
                raise
            raise changed(self.table, f"it can't be looked at any more: {exc.why}") from exc
        return check_definition(self._witness.definition, now, self.table)

    def _judge(self, sealed: Sealed, rows_read: int, checksum: int, as_of: datetime, seconds: float) -> Seal:
        outside = f", {sealed.rows_outside} or more outside the keys read" if sealed.rows_outside else ""
        return Seal(
            agrees=(sealed.rows, sealed.checksum, sealed.rows_outside) == (rows_read, checksum, 0),
            as_of=as_of,
            how=f"{'MariaDB' if self._dialect == 'mariadb' else 'MySQL'}: {_HOW}",
            found=f"{sealed.rows} rows, checksum {sealed.checksum}{outside}",
            expected=f"{rows_read} rows, checksum {checksum}",
            rows_differ=max(abs(sealed.rows - rows_read) + sealed.rows_outside, int(sealed.checksum != checksum)),
            seconds=seconds,
        )
