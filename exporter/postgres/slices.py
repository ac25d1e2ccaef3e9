"""Reads PostgreSQL tables in slices.

The witnesses first, short statements in autocommit, and the seal at the end.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from exporter.port.adbc import DRIVER_ERRORS
from exporter.port.axis import Axis
from exporter.port.same_rows import Telling
from exporter.port.slice_length import empty_round_trip_seconds
from exporter.port.sliced_source import (
    LOCK_TIMEOUT_SECONDS,
    SLICE_TIMEOUT_SECONDS,
    Gathered,
    Seal,
    SliceLostError,
    SliceRows,
    StartOverError,
    Stretch,
    changed,
    refuse_slices,
    touched_while_read,
)
from exporter.port.source import Carried, KeyIndex, SourceColumn, Statement, TableName, Wire
from exporter.postgres.axis import find_key_index, plan_axis
from exporter.postgres.connection import gather
from exporter.postgres.definition import check_definition, find_definition, why_no_seal
from exporter.postgres.errors import translate_slice_error
from exporter.postgres.row_condition import row_columns
from exporter.postgres.row_version import version_sql
from exporter.postgres.same_rows import describe_versions, plan_telling
from exporter.postgres.seal import SealCount, SealSnapshot, judge_seal
from exporter.postgres.session import PostgresSession
from exporter.postgres.table import PostgresTable
from exporter.postgres.witness import Witness, find_server, take_witness
from staging.documents.manifest import Source as StoredSource
from staging.errors import InputError, UnavailableError

_LOOK_SECONDS = 20
_GUARDS = {
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "read committed",
    "lock_timeout": f"{LOCK_TIMEOUT_SECONDS}s",
    "timezone": "UTC",
    "datestyle": "ISO",
    # One process of the server's at a time, and none that compiles: a slice takes 2 ms.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}
_IDLE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class SealedRead:
    """What all tables of one read in slices share.

    `idle_seconds`: how long the seal's snapshot may do nothing, should we freeze.
    """

    session: PostgresSession
    server_identity: str
    witnesses: Mapping[TableName, Witness]
    snapshot: SealSnapshot
    idle_seconds: int

    def guard(self, seconds: int) -> None:
        """Set up the session, with this time limit for statements."""
        timeouts = {"statement_timeout": seconds, "idle_in_transaction_session_timeout": self.idle_seconds}
        for setting, value in (_GUARDS | {name: f"{limit}s" for name, limit in timeouts.items()}).items():
            self.fetch(f"SET {setting} = '{value}'")

    def fetch(self, sql: str) -> SliceRows:
        """Run a statement on the reading connection, and fetch all of it."""
        try:
            return self.session.connection.fetch_whole(sql)
        except DRIVER_ERRORS as exc:
            raise translate_slice_error(exc, self.session.url) from exc


def begin_sliced_read(
    session: PostgresSession, tables: Sequence[TableName], server_identity: str, *, max_seconds: int
) -> SealedRead:
    """Take the witnesses of all tables.

    InputError where no seal could prove slices of one.
    """
    witnesses: dict[TableName, Witness] = {}
    idle_seconds = max(max_seconds, _IDLE_SECONDS)
    read = SealedRead(session, server_identity, witnesses, SealSnapshot(len(tables), max_seconds), idle_seconds)
    read.guard(_LOOK_SECONDS)
    for table in tables:
        witnesses[table] = take_witness(session.run, session.catalogue, session.catalogue.table_sql(table))
    for table, witness in witnesses.items():
        if why := why_no_seal(witness.definition):
            raise refuse_slices(table, why)
    return read


class PostgresSlices(PostgresTable):
    """One table, read piece by piece."""

    def __init__(self, read: SealedRead, table: TableName) -> None:
        """Begin with a table whose witness was taken.

        InputError where there is none of that name.
        """
        super().__init__(read.session, table)
        self._read = read
        self._witness = read.witnesses[table]
        self._statement: Statement | None = None
        self._axis: Axis | None = None
        self._round_trip_seconds = 0.0
        self._described: Mapping[str, SourceColumn] = {}
        self.evidence: dict[str, str] = {}
        self.kind()  # says what there may be instead

    def beside(self, table: TableName) -> PostgresSlices:
        """Return another table of this read."""
        return PostgresSlices(self._read, table)

    def describe(self) -> Mapping[str, SourceColumn]:
        """Return the columns, as they are now."""
        self._described = super().describe()
        return self._described

    def plan_axis(self, statement: Statement) -> Axis | str:
        """Return the time column if indexed, else a primary key.

        An index must lead to the column; the key is of integers.
        """
        return plan_axis(self, self._catalogue, statement)

    def find_key_index(self, key: Sequence[str], like: Sequence[SourceColumn]) -> KeyIndex | str:
        """Return a B-tree whose order of keys is that of ORDER BY."""
        return find_key_index(self, self._catalogue, key, like)

    def begin_seal(self, statement: Statement, axis: Axis) -> None:
        """Note what is to be sealed.

        The session is one for slices then.
        """
        version = Carried(pl.Int64(), Wire.NATIVE, version_sql(self._witness))
        self._statement, self._axis = replace(statement, select=(*statement.select, version)), axis
        self._read.guard(SLICE_TIMEOUT_SECONDS)
        self._round_trip_seconds = empty_round_trip_seconds(lambda: self._run("SELECT 1", "answer"))

    def read_slice(self, low: int, high: int) -> SliceRows:
        """Read one slice, whole.

        Its seconds are the server's and the rows' way, without an empty round trip.
        """
        assert self._statement is not None and self._axis is not None  # noqa: S101, PT018 - begin_seal came before
        try:
            rows = self._fetch(self._axis.text(self._statement, low, high))
        except UnavailableError as exc:
            if self._read.snapshot.is_open:  # any error ends it
                raise StartOverError(exc.what, why=exc.why, fix=exc.fix) from exc
            raise
        seconds = max(rows.seconds - self._round_trip_seconds, 0.0)
        return SliceRows(rows.rows, rows.size_bytes, seconds, rows.data)

    def gather(self, slices: Sequence[SliceRows]) -> Gathered:
        """Return the rows of several slices, and the sum of their versions."""
        frame = gather(slices)
        versions = frame.to_series(-1)
        return Gathered(frame.drop(versions.name), int(versions.cast(pl.Int128).sum()))

    def reconnect(self) -> None:
        """Connect again.

        A catalogue connection that lived on proves that the server did not crash in between.
        """
        self._read.snapshot.lost()
        has_lived_on = self._session.reconnect()
        self._read.guard(SLICE_TIMEOUT_SECONDS)
        if not self._witness.server.is_same(find_server(self._run), is_proved=has_lived_on):
            raise StartOverError(
                "The connection was lost, and the server is another one now or was restarted.",
                why="What was read before can't be told to belong to what it holds now.",
                fix="Run again.",
            )

    def seal(self, read: Sequence[Stretch]) -> Seal:
        """Count the window's rows and look at their versions, in one snapshot."""
        assert self._statement is not None and self._axis is not None  # noqa: S101, PT018 - begin_seal came before
        began, snapshot = time.monotonic(), self._read.snapshot
        is_by_row = row_columns(self._statement.where, self._described or self.describe()) is not None
        found = SealCount(self._statement, self._axis, self._witness, is_by_row=is_by_row)
        instant = snapshot.begin(self._fetch)
        found.count(read, self._fetch, snapshot.rest_seconds)
        seal = judge_seal(
            found,
            instant,
            read=read,
            witness=self._witness,
            seconds=time.monotonic() - began,
        )
        self.evidence |= {**seal.evidence, **describe_versions(self._catalogue, self.table_sql)}
        return seal

    def end_seal(self) -> None:
        """End the snapshot that all tables are sealed in."""
        self._read.snapshot.end(self._fetch)

    def plan_telling(
        self, statement: Statement, columns: Sequence[SourceColumn], stored: StoredSource
    ) -> Telling | str:
        """Return how row versions tell whether the window is the same."""
        return plan_telling(
            self._catalogue,
            self.table_sql,
            statement=statement,
            columns=columns,
            described=self._described or self.describe(),
            stored=stored,
            identity=self._read.server_identity,
        )

    def check_table(self) -> None:
        """Raise an error if the table is not the witness's.

        The error is what the definition says.
        """
        if touched := self._check_definition():
            raise touched_while_read(self.table, touched)

    def close(self) -> None:
        """Do nothing: between statements nothing is open."""

    def _fetch(self, sql: str) -> SliceRows:
        try:
            return self._read.fetch(sql)
        except InputError:
            self._check_definition()
            raise

    def _check_definition(self) -> str:
        try:
            now = find_definition(self._catalogue, self.table_sql)
        except InputError as exc:
            raise changed(self.table, f"it can't be looked at any more: {exc.why}") from exc
        except UnavailableError as exc:
            raise SliceLostError(exc.what, why=exc.why, fix=exc.fix) from exc
        return check_definition(self._witness.definition, now, self.table)
