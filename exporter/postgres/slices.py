"""A PostgreSQL table, read in slices: short statements in autocommit, and the seal of `postgres_seal` at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from exporter.port.sliced_source import (
    LOCK_TIMEOUT_SECONDS,
    SLICE_TIMEOUT_SECONDS,
    Axis,
    Closed,
    Gathered,
    Seal,
    SliceLostError,
    SliceRows,
    StartOverError,
    changed,
)
from exporter.port.source import Statement, TableName
from exporter.postgres.axis import plan_axis
from exporter.postgres.closed import find_closed
from exporter.postgres.connection import DRIVER_ERRORS, gather, rows_of
from exporter.postgres.definition import Definition, check_definition, find_definition
from exporter.postgres.errors import translate_slice_error
from exporter.postgres.seal import INSTANT_SQL, OLDEST_RUNNING_SQL, SealCount, judge_seal
from exporter.postgres.table import PostgresTable
from exporter.postgres.where import why_where_moves
from staging.errors import InputError, PenstockError, UnavailableError

if TYPE_CHECKING:
    from exporter.postgres.source import PostgresSource

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

# The checkpointer is born anew when the server restarts after a crash, which keeps its start time.
_SERVER = """
SELECT pg_postmaster_start_time()::text, pg_is_in_recovery(),
       coalesce(host(inet_server_addr()) || ':' || inet_server_port(), ''), current_database(),
       (SELECT backend_start::text FROM pg_stat_activity WHERE backend_type = 'checkpointer')
"""


class PostgresSlices(PostgresTable):
    """One table, read piece by piece."""

    def __init__(self, source: PostgresSource, table: TableName) -> None:
        super().__init__(source.catalogue, source.run, table)
        self._source = source
        self._statement: Statement | None = None
        self._axis: Axis | None = None
        self._definition = Definition(None, {})
        self._oldest_running = ""
        self._server: tuple[object, ...] = ()
        self._round_trip_seconds = 0.0
        self.evidence: dict[str, str] = {}
        self.kind()  # says what there may be instead
        self._guard(_LOOK_SECONDS)

    def find_closed(self, window_end: datetime, grace_seconds: int) -> Closed:
        """Ask the server."""
        return find_closed(self._run, window_end, grace_seconds)

    def plan_axis(self, statement: Statement) -> Axis | str:
        """Return the time column where an index leads to it, else an integer primary key."""
        if moves := why_where_moves(statement.where, self._catalogue):
            return moves
        return plan_axis(self, self._catalogue, statement)

    def begin_seal(self, statement: Statement, axis: Axis) -> None:
        """Note the oldest transaction that runs, the table and the server; the session is one for slices then."""
        self._statement, self._axis = statement, axis
        self._definition = find_definition(self._catalogue, self.table_sql)
        self._server = self._ask_server()
        self._guard(SLICE_TIMEOUT_SECONDS)
        self._round_trip_seconds = min(self._empty_statement() for _ in range(_ROUND_TRIPS))
        ((self._oldest_running,),) = self._run(OLDEST_RUNNING_SQL, "begin a seal")

    def read_slice(self, low: int, high: int) -> SliceRows:
        """Read one slice, whole. Its seconds are the server's and the rows' way, without an empty round trip."""
        assert self._statement is not None and self._axis is not None  # noqa: S101, PT018 - begin_seal came before
        rows = self._fetch(self._axis.text(self._statement, low, high))
        seconds = max(rows.seconds - self._round_trip_seconds, 0.0)
        return SliceRows(rows.rows, rows.size_bytes, seconds, rows.data)

    def gather(self, slices: Sequence[SliceRows]) -> Gathered:
        """Return the rows of several slices; the seal needs no checksum."""
        return Gathered(gather(slices))

    def reconnect(self) -> None:
        """Connect again. A catalogue connection that lived on proves that the server did not crash in between."""
        has_witness = self._source.reconnect()
        self._catalogue = self._source.catalogue
        self._guard(SLICE_TIMEOUT_SECONDS)
        server = self._ask_server()
        if server[:4] != self._server[:4] or not (has_witness or self._server[4] == server[4] is not None):
            raise StartOverError(
                "The connection was lost, and the server is another one now or was restarted.",
                why="What was read before can't be told to belong to what it holds now.",
                fix="Run again.",
            )

    def seal(self, rows_read: int, checksum: int) -> Seal:
        """Count the window's rows and the new ones among them, in one snapshot."""
        del checksum
        assert self._statement is not None and self._axis is not None  # noqa: S101, PT018 - begin_seal came before
        self._guard(SLICE_TIMEOUT_SECONDS)
        began = time.monotonic()
        found = SealCount(self._statement, self._axis, self._oldest_running)
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
            rows_read=rows_read,
            touched=self._check_definition(),
            oldest_running=self._oldest_running,
            seconds=time.monotonic() - began,
        )
        self.evidence |= seal.evidence
        return seal

    def close(self) -> None:
        """Do nothing: between statements nothing is open."""

    def _fetch(self, sql: str) -> SliceRows:
        try:
            return self._source.connection.fetch_whole(sql)
        except DRIVER_ERRORS as exc:
            error = translate_slice_error(exc, self._source.url)
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
        return check_definition(self._definition, now, self.table)

    def _guard(self, seconds: int) -> None:
        for setting, value in (_GUARDS | {"statement_timeout": f"{seconds}s"}).items():
            self._fetch(f"SET {setting} = '{value}'")

    def _ask_server(self) -> tuple[object, ...]:
        (server,) = self._run(_SERVER, "say who it is")
        return server

    def _empty_statement(self) -> float:
        began = time.perf_counter()
        self._run("SELECT 1", "answer")
        return time.perf_counter() - began
