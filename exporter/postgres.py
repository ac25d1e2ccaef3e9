"""PostgreSQL: rows by ADBC (COPY in binary), the catalogue by psycopg.

* ADBC streams only statements without parameters: with bound ones it takes PostgreSQL's extended protocol and holds
  the whole result in memory (735 MB for 5 million rows of three columns). So bounds are written as typed literals.
* `numeric` travels as text: 2-3 times faster than ADBC's own numeric. A declared scale is kept by the server.
* The table's lock is taken before the snapshot. A table that ALTER rewrites or TRUNCATE empties in between would
  look empty to a snapshot older than that (PostgreSQL manual, 13.6 Caveats).

Rights: CONNECT, USAGE on the schema, SELECT on the table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import pyarrow as pa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.engine import URL

from exporter.catalogue import Catalogue
from exporter.postgres_errors import translate_error
from exporter.postgres_types import base_type, plan_carried, time_kind
from exporter.probes import plan_probe
from exporter.sliced_source import Slices, refuse_slices
from exporter.source import Bound, Estimate, Probe, SourceColumn, Statement, TableName, TimeKind
from exporter.time_column import utc_text
from staging.errors import InputError, PenstockError

_CONNECT_SECONDS = 10
_LOCK_SECONDS = 2
_IDLE_SECONDS = 60
_BATCH_BYTES = 4 * 1024 * 1024
_LOCKABLE = ("r", "p", "v")  # tables, partitioned tables, views: LOCK TABLE takes no other kind
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DriverError = adbc_driver_manager.Error
# What goes wrong between two batches comes out of pyarrow, not of the driver.
_STREAM_ERRORS = (_DriverError, OSError, pa.ArrowException)

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

# A domain's modifier is its own: SQLAlchemy does not tell it.
_ATTRIBUTES = """
SELECT a.attname, CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END, c.collname
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_collation c ON c.oid = a.attcollation AND NOT c.collisdeterministic
WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
"""


class PostgresSource:
    """A connection that reads and one for the catalogue."""

    dialect = "postgresql"
    reader = "adbc-postgresql"

    def __init__(self, url: URL) -> None:
        self.url = url.set(drivername="postgresql+psycopg")
        self.is_abandoned = False
        self.catalogue = Catalogue(
            self.url,
            lambda error, doing: translate_error(error, doing, url),
            connect_args={"connect_timeout": _CONNECT_SECONDS, "application_name": "penstock-exporter"},
        )
        try:
            self._connection = adbc.connect(adbc_uri(url), autocommit=True)
            self._cursor = self._connection.cursor(
                adbc_stmt_kwargs={"adbc.postgresql.batch_size_hint_bytes": str(_BATCH_BYTES)}
            )
            # Small statements of any kind: COPY, by which rows are streamed, takes no EXPLAIN.
            self._plain = self._connection.cursor(adbc_stmt_kwargs={"adbc.postgresql.use_copy": "false"})
        except _DriverError as exc:
            self.catalogue.close()
            raise translate_error(exc, "connect", url) from exc
        try:
            ((version, place),) = self.catalogue.rows(_PLACE)
        except PenstockError:
            self.close()
            raise
        self.server_version = str(version)
        self.server_identity = self._identity(str(place))

    def run(self, sql: str, doing: str) -> Sequence[tuple[Any, ...]]:
        """Run a statement on the reading connection."""
        try:
            self._plain.execute(sql)
            return [tuple(row.values()) for row in self._plain.fetch_arrow_table().to_pylist()]
        except _DriverError as exc:
            raise translate_error(exc, doing, self.url) from exc

    def stream(self, sql: str) -> Iterator[pl.DataFrame]:
        """Run a statement and give its batches as they come."""
        try:
            self._cursor.execute(sql)
            for batch in self._cursor.fetch_record_batch():
                yield pl.DataFrame(pl.from_arrow(batch))
        except _STREAM_ERRORS as exc:
            raise translate_error(exc, "read the day", self.url) from exc

    def begin_snapshot(self, table: TableName, *, max_seconds: int) -> PostgresSnapshot:
        """Lock the table against being altered, then fix the snapshot."""
        for setting, value in {
            "statement_timeout": f"{max_seconds}s",
            "lock_timeout": f"{_LOCK_SECONDS}s",
            "idle_in_transaction_session_timeout": f"{max_seconds + _IDLE_SECONDS}s",
            "timezone": "UTC",
            "datestyle": "ISO",
        }.items():
            self.run(f"SET {setting} = '{value}'", "set up the session")
        table_sql = self.catalogue.table_sql(table)
        kind = self._kind_of(table, table_sql)
        self.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", "begin a snapshot")
        if kind in _LOCKABLE:
            self.run(f"LOCK TABLE {table_sql} IN ACCESS SHARE MODE", f"hold the definition of {table}")
        ((snapshot, position, micros, backend),) = self.run(_EVIDENCE, "begin a snapshot")
        return PostgresSnapshot(
            self,
            table,
            table_sql,
            as_of=_EPOCH + timedelta(microseconds=micros),
            evidence={"snapshot": snapshot, "lsn": position, "backend_pid": str(backend)},
        )

    def why_no_slices(self, table: TableName) -> str:
        """Return why there are none."""
        del table
        return "this version reads PostgreSQL in snapshots only"

    def begin_slices(self, table: TableName) -> Slices:
        """Refuse."""
        raise refuse_slices(table, self.why_no_slices(table))

    def interrupt(self) -> None:
        """Ask the server to cancel what it runs for us."""
        with suppress(_DriverError):  # nothing to cancel
            self._connection.adbc_cancel()

    def abandon(self) -> None:
        """Leave the connections to the thread that uses them."""
        self.is_abandoned = True

    def close(self) -> None:
        """Close both connections; the server ends what is open."""
        if self.is_abandoned:
            return
        for closing in (self._cursor.close, self._plain.close, self._connection.close, self.catalogue.close):
            with suppress(_DriverError):
                closing()

    def _identity(self, place: str) -> str:
        """Return the cluster's own number and the database; where that may not be seen, where it is reached."""
        try:
            return str(self.catalogue.rows(_IDENTITY)[0][0])
        except InputError:
            return place

    def _kind_of(self, table: TableName, table_sql: str) -> str:
        kinds = self.catalogue.rows("SELECT relkind FROM pg_class WHERE oid = to_regclass(%s)", table_sql)
        if not kinds:
            self.catalogue.columns(table)  # says which table there may be instead
        return str(kinds[0][0]) if kinds else ""


class PostgresSnapshot:
    """A REPEATABLE READ, READ ONLY transaction."""

    def __init__(
        self, source: PostgresSource, table: TableName, table_sql: str, *, as_of: datetime, evidence: dict[str, str]
    ) -> None:
        self._source = source
        self._table = table
        self._open = True
        self.table_sql = table_sql
        self.as_of = as_of
        self.evidence = evidence

    def describe(self) -> Mapping[str, SourceColumn]:
        """Return the columns; those of a nondeterministic collation or of citext fold texts."""
        catalogue = self._source.catalogue
        ((encoding,),) = catalogue.rows("SELECT current_setting('server_encoding')")
        told = {name: (typmod, folding) for name, typmod, folding in catalogue.rows(_ATTRIBUTES, self.table_sql)}
        indexed = catalogue.leading_columns(self._table)
        found = {}
        for column in catalogue.columns(self._table):
            typmod, folding = told[column.name]
            carried, refusal = plan_carried(column, typmod=typmod, has_encoding=encoding != "SQL_ASCII")
            found[column.name] = SourceColumn(
                name=column.name,
                source_type=column.source_type,
                nullable=column.nullable,
                quoted=column.quoted,
                carried=carried,
                refusal=refusal,
                time=time_kind(column),
                folding="citext" if isinstance(base_type(column.type), pg.CITEXT) else folding,
                indexed=column.name in indexed,
            )
        return found

    def literal(self, bound: Bound) -> str:
        """Write a bound with its type, so that an index on the column is used."""
        match bound:
            case datetime(tzinfo=None):
                return f"TIMESTAMP '{bound.isoformat(sep=' ')}'"
            case datetime():
                return f"TIMESTAMPTZ '{utc_text(bound)}+00'"
            case date():
                return f"DATE '{bound.isoformat()}'"
        raise InputError(f"PostgreSQL has no time column like {bound!r}.")

    def fetch(self, sql: str) -> Sequence[tuple[object, ...]]:
        """Return the rows of a small statement in this snapshot."""
        return self._source.run(sql, "look at the day")

    def probes(self, statement: Statement, columns: Sequence[SourceColumn]) -> Sequence[Probe]:
        """Look for infinite times: they lie in no window."""
        if columns[1].time is TimeKind.DATE or columns[1].carried is None:
            return ()
        infinite = f"{columns[1].quoted} IN ('infinity', '-infinity')"
        return [plan_probe(statement, columns[0], infinite, f"Column {columns[1].name} is infinite")]

    def estimate(self, statement: Statement) -> Estimate:
        """Return what the planner expects."""
        ((plan,),) = self.fetch(f"EXPLAIN (FORMAT JSON) {statement.text()}")
        parsed = json.loads(str(plan))
        return Estimate(int(parsed[0]["Plan"]["Plan Rows"]), "expected by EXPLAIN")

    def read(self, statement: Statement, estimate: Estimate) -> Iterator[pl.DataFrame]:
        """Stream the statement."""
        del estimate
        return self._source.stream(statement.text())

    def close(self) -> None:
        """End the transaction."""
        if self._open and not self._source.is_abandoned:
            self._open = False
            with suppress(PenstockError):  # a dead connection has ended it
                self._source.run("ROLLBACK", "end the snapshot")


def adbc_uri(url: URL) -> str:
    """Return the same connection as libpq's URI."""
    password = f":{quote(str(url.password), safe='')}" if url.password is not None else ""
    user = f"{quote(url.username, safe='')}{password}@" if url.username else ""
    host = f"[{url.host}]" if url.host and ":" in url.host else (url.host or "")
    port = f":{url.port}" if url.port else ""
    query = {
        "connect_timeout": str(_CONNECT_SECONDS),
        "application_name": "penstock-exporter",
        "client_encoding": "UTF8",
        **url.query,
    }
    options = urlencode(query, doseq=True, quote_via=quote)
    return f"postgresql://{user}{host}{port}/{quote(url.database or '', safe='')}?{options}"
