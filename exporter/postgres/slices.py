"""Reads a PostgreSQL table in slices.

The witness first, short statements in autocommit, and the seal at the end.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import polars as pl

from exporter.port.same_rows import Telling
from exporter.port.sliced_source import (
    LOCK_TIMEOUT_SECONDS,
    SLICE_TIMEOUT_SECONDS,
    Axis,
    Gathered,
    Seal,
    SliceLostError,
    SliceRows,
    StartOverError,
    changed,
    refuse_slices,
    touched_while_read,
)
from exporter.port.source import Carried, SourceColumn, Statement, TableName, Wire
from exporter.postgres.axis import plan_axis
from exporter.postgres.connection import DRIVER_ERRORS, gather, rows_of
from exporter.postgres.definition import check_definition, find_definition, why_no_seal
from exporter.postgres.errors import translate_slice_error
from exporter.postgres.row_version import version_sql
from exporter.postgres.same_rows import describe_versions, plan_telling
from exporter.postgres.seal import INSTANT_SQL, SealCount, judge_seal
from exporter.postgres.session import PostgresSession
from exporter.postgres.table import PostgresTable
from exporter.postgres.witness import find_server, take_witness
from staging.documents.manifest import Source as StoredSource
from staging.errors import InputError, PenstockError, UnavailableError

_LOOK_SECONDS = 20
_GUARDS = {
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "read committed",
    "lock_timeout": f"{LOCK_TIMEOUT_SECONDS}s",
    "idle_in_transaction_session_timeout": "20s",  # the seal's, should we freeze
    "timezone": "UTC",
    "datestyle": "ISO",
    # One process of the server's at a time, and none that compiles: a slice takes 2 ms.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}
_ROUND_TRIPS = 5


class PostgresSlices(PostgresTable):
    """One table, read piece by piece."""

    def __init__(self, session: PostgresSession, table: TableName, server_identity: str) -> None:
        """Take the witness; InputError where no seal could prove the slices."""
        self._server_identity = server_identity
        super().__init__(session.catalogue, session.run, table)
        self._session = session
        self._statement: Statement | None = None
        self._axis: Axis | None = None
        self._round_trip_seconds = 0.0
        self.evidence: dict[str, str] = {}
        self._guard(_LOOK_SECONDS)
        self._witness = take_witness(self._run, self._catalogue, self.table_sql)
        if why := why_no_seal(self._witness.definition):
            raise refuse_slices(table, why)
        self.kind()  # says what there may be instead

    def plan_axis(self, statement: Statement) -> Axis | str:
        """Return the time column if indexed, else a primary key.

        An index must lead to the column; the key is of integers.
        """
        return plan_axis(self, self._catalogue, statement)

    def begin_seal(self, statement: Statement, axis: Axis) -> None:
        """Note what is to be sealed.

        The session is one for slices then.
        """
        version = Carried(pl.Int64(), Wire.NATIVE, version_sql(self._witness))
        self._statement, self._axis = replace(statement, select=(*statement.select, version)), axis
        self._guard(SLICE_TIMEOUT_SECONDS)
        self._round_trip_seconds = min(self._empty_statement() for _ in range(_ROUND_TRIPS))

    def read_slice(self, low: int, high: int) -> SliceRows:
        """Read one slice, whole.

        Its seconds are the server's and the rows' way, without an empty round trip.
        """
        assert self._statement is not None and self._axis is not None  # noqa: S101, PT018 - begin_seal came before
        rows = self._fetch(self._axis.text(self._statement, low, high))
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
        has_lived_on = self._session.reconnect()
        self._catalogue = self._session.catalogue
        self._guard(SLICE_TIMEOUT_SECONDS)
        if not self._witness.server.is_same(find_server(self._run), is_proved=has_lived_on):
            raise StartOverError(
                "The connection was lost, and the server is another one now or was restarted.",
                why="What was read before can't be told to belong to what it holds now.",
                fix="Run again.",
            )

    def seal(self, rows_read: int, checksum: int) -> Seal:
        """Count the window's rows and add up their versions, in one snapshot."""
        assert self._statement is not None and self._axis is not None  # noqa: S101, PT018 - begin_seal came before
        self._guard(SLICE_TIMEOUT_SECONDS)
        began = time.monotonic()
        found = SealCount(self._statement, self._axis, self._witness)
        self._fetch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            (instant,) = rows_of(self._fetch(INSTANT_SQL))
            found.count(self._fetch)
        finally:
            with suppress(PenstockError):  # a dead connection has ended it
                self._fetch("ROLLBACK")
        seal = judge_seal(
            found,
            instant,
            read=(rows_read, checksum),
            touched=self._check_definition(),
            witness=self._witness,
            seconds=time.monotonic() - began,
        )
        self.evidence |= {**seal.evidence, **describe_versions(self._catalogue, self.table_sql)}
        return seal

    def plan_telling(
        self, statement: Statement, columns: Sequence[SourceColumn], stored: StoredSource
    ) -> Telling | str:
        """Return how row versions tell whether the window is the same."""
        return plan_telling(
            self._catalogue,
            self.table_sql,
            statement=statement,
            columns=columns,
            described=self.describe(),
            stored=stored,
            identity=self._server_identity,
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
            return self._session.connection.fetch_whole(sql)
        except DRIVER_ERRORS as exc:
            error = translate_slice_error(exc, self._session.url)
            if isinstance(error, InputError):
                self._check_definition()
            raise error from exc

    def _check_definition(self) -> str:
        try:
            now = find_definition(self._catalogue, self.table_sql)
        except InputError as exc:
            raise changed(self.table, f"it can't be looked at any more: {exc.why}") from exc
        except UnavailableError as exc:
            raise SliceLostError(exc.what, why=exc.why, fix=exc.fix) from exc
        return check_definition(self._witness.definition, now, self.table)

    def _guard(self, seconds: int) -> None:
        for setting, value in (_GUARDS | {"statement_timeout": f"{seconds}s"}).items():
            self._fetch(f"SET {setting} = '{value}'")

    def _empty_statement(self) -> float:
        began = time.perf_counter()
        self._run("SELECT 1", "answer")
        return time.perf_counter() - began
