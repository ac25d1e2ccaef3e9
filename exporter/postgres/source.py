"""Reads PostgreSQL: rows by ADBC, the catalogue by psycopg.

Rows come by COPY in binary, slices by the extended protocol.

* ADBC streams only statements without parameters: with bound ones it takes PostgreSQL's extended protocol and holds
  the whole result in memory (735 MB for 5 million rows of three columns). So bounds are written as typed literals.
* `numeric` travels as text: 2-3 times faster than ADBC's own numeric. A declared scale is kept by the server.
* The table's lock is taken before the snapshot. A table that ALTER rewrites or TRUNCATE empties in between would
  look empty to a snapshot older than that (PostgreSQL manual, 13.6 Caveats).

Rights: CONNECT, USAGE on the schema, SELECT on the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import polars as pl
from sqlalchemy.engine import URL

from databases.postgres.session import TLS_SQL
from databases.postgres.url import tls_mode
from databases.tls import tell_connection
from exporter.port.catalogue import Catalogue
from exporter.port.same_rows import Telling
from exporter.port.sliced_source import Closed, Slices
from exporter.port.source import Estimate, SourceColumn, Statement, TableName
from exporter.postgres.closed import find_closed
from exporter.postgres.connection import PostgresConnection
from exporter.postgres.definition import find_definition, why_no_seal
from exporter.postgres.elsewhere import Elsewhere, find_elsewhere
from exporter.postgres.same_rows import SNAPSHOT, describe_versions
from exporter.postgres.session import PostgresSession
from exporter.postgres.slices import PostgresSlices, begin_sliced_read
from exporter.postgres.table import PostgresTable
from staging.documents.manifest import Source as StoredSource
from staging.errors import InputError, PenstockError

_LOCK_SECONDS = 2
_IDLE_SECONDS = 60
_LOCKABLE = ("r", "p", "v")  # tables, partitioned tables, views: LOCK TABLE takes no other kind
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_PLACE = """
SELECT current_setting('server_version'),
       coalesce(host(inet_server_addr()) || ':' || inet_server_port(), 'socket') || '/' || current_database()
"""
_IDENTITY = "SELECT system_identifier::text || '/' || current_database() FROM pg_control_system()"
_EVIDENCE = """
SELECT pg_current_snapshot()::text,
       CASE WHEN pg_is_in_recovery() THEN 'replay ' || pg_last_wal_replay_lsn()::text
            ELSE pg_current_wal_lsn()::text END,
       (extract(epoch FROM statement_timestamp()) * 1000000)::bigint,
       pg_backend_pid()
"""


class PostgresSource:
    """A connection that reads and one for the catalogue."""

    dialect = "postgresql"
    reader = "adbc-postgresql"
    connections = 3
    """One that reads, one for the catalogue, one for pacing's signals."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_abandoned = False
        self.session = PostgresSession(url)
        try:
            ((version, place),) = self.catalogue.rows(_PLACE)
        except PenstockError:
            self.close()
            raise
        self.server_version = str(version)
        self.server_identity = self._identity(str(place))

    @property
    def catalogue(self) -> Catalogue:
        """The catalogue's connection."""
        return self.session.catalogue

    @property
    def connection(self) -> PostgresConnection:
        """The connection that reads."""
        return self.session.connection

    def describe_connection(self) -> str:
        """See `Source`."""
        ((version, place),) = self.catalogue.rows(TLS_SQL)
        return tell_connection(tls_mode(self.url), str(version or ""), str(place or ""))

    def begin_snapshot(self, table: TableName, *, max_seconds: int, also: Sequence[TableName] = ()) -> PostgresSnapshot:
        """Lock the tables against being altered, then fix the snapshot."""
        if also:
            self._elsewhere((table, *also)).refuse_one_instant()
        run = self.session.run
        run("RESET ALL", "set up the session")  # of what slices may have set
        self.connection.set_up(
            {
                "statement_timeout": f"{max_seconds}s",
                "lock_timeout": f"{_LOCK_SECONDS}s",
                "idle_in_transaction_session_timeout": f"{max_seconds + _IDLE_SECONDS}s",
            }
        )
        snapshot = PostgresSnapshot(self, table)
        others = [snapshot.beside(each) for each in also]
        lockable = [each.table_sql for each in (snapshot, *others) if each.kind() in _LOCKABLE]
        run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "begin a snapshot")
        if lockable:
            shown = ", ".join(map(str, (table, *also)))
            run(f"LOCK TABLE {', '.join(lockable)} IN ACCESS SHARE MODE", f"hold the definition of {shown}")
        ((taken, position, micros, backend),) = run(_EVIDENCE, "begin a snapshot")
        evidence = {SNAPSHOT: taken, "lsn": position, "backend_pid": str(backend)}
        snapshot.begun(_EPOCH + timedelta(microseconds=micros), evidence)
        return snapshot

    def why_no_slices(self, table: TableName) -> str:
        """Return why no seal would prove them."""
        return why_no_seal(find_definition(self.catalogue, self.catalogue.table_sql(table)))

    def find_closed(self, window_end: datetime, grace_seconds: int, *, tables: Sequence[TableName] = ()) -> Closed:
        """Ask the server."""
        return find_closed(self.session.run, self._elsewhere(tables), window_end, grace_seconds)

    def begin_slices(self, table: TableName, *, also: Sequence[TableName] = (), max_seconds: int = 0) -> Slices:
        """Set up the reading connection for slices.

        And take the witnesses of their seal.
        """
        return PostgresSlices(
            begin_sliced_read(self.session, (table, *also), self.server_identity, max_seconds=max_seconds), table
        )

    def interrupt(self) -> None:
        """Ask the server to cancel what it runs for us."""
        self.connection.interrupt()

    def abandon(self) -> None:
        """Leave the connections to the thread that uses them."""
        self.is_abandoned = True

    def close(self) -> None:
        """Close both connections; the server ends what is open."""
        if not self.is_abandoned:
            self.session.close()

    def _elsewhere(self, tables: Sequence[TableName]) -> Elsewhere:
        return find_elsewhere(self.catalogue, [self.catalogue.table_sql(table) for table in tables])

    def _identity(self, place: str) -> str:
        """Return the cluster's own number and the database; where that may not be seen, where it is reached."""
        try:
            return str(self.catalogue.rows(_IDENTITY)[0][0])
        except InputError:
            return place


class PostgresSnapshot(PostgresTable):
    """A REPEATABLE READ, READ ONLY transaction."""

    def __init__(self, source: PostgresSource, table: TableName) -> None:
        super().__init__(source.session, table)
        self._source = source
        self._open = True
        self._of_all: dict[str, str] = {}
        self.as_of = _EPOCH
        self.evidence: dict[str, str] = {}

    def begun(self, as_of: datetime, evidence: dict[str, str]) -> None:
        """Note the instant, and what row versions are compared by later."""
        self.as_of, self._of_all = as_of, evidence
        versions = {} if self._source.why_no_slices(self.table) else describe_versions(self._catalogue, self.table_sql)
        self.evidence = evidence | versions

    def beside(self, table: TableName) -> PostgresSnapshot:
        """Return another table in this transaction."""
        other = PostgresSnapshot(self._source, table)
        other._open = False
        if self._of_all:
            other.begun(self.as_of, self._of_all)
        return other

    def read(self, statement: Statement, estimate: Estimate) -> Iterator[pl.DataFrame]:
        """Stream the statement."""
        del estimate
        return self._source.connection.stream(statement.text())

    def plan_telling(
        self, statement: Statement, columns: Sequence[SourceColumn], stored: StoredSource
    ) -> Telling | str:
        """Return why row versions can't tell.

        Where they can, it is asked in slices.
        """
        del statement, columns, stored
        return self._source.why_no_slices(self.table)

    def close(self) -> None:
        """End the transaction."""
        if self._open and not self._source.is_abandoned:
            self._open = False
            with suppress(PenstockError):  # a dead connection has ended it
                self._run("ROLLBACK", "end the snapshot")
