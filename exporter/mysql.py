"""MySQL and MariaDB: rows by ODBC where MariaDB's driver is installed, else by pymysql; the catalogue by pymysql.

The snapshot is START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY under REPEATABLE READ. The first read of the table
takes a metadata lock that keeps ALTER out until the end; a table altered between the two is error 1412, not wrong rows.
Engines without row versions (MyISAM, Aria, MEMORY) are refused: they would show the table as it is, not as it was.

Rights: SELECT on the table. To stop a statement the user kills a thread of its own, which needs none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl
import pymysql
from sqlalchemy import types as sql
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from exporter.catalogue import Catalogue
from exporter.mysql_errors import translate_error
from exporter.mysql_pieces import find_key_range, read_along_key, read_along_time
from exporter.mysql_rows import RowReader
from exporter.mysql_types import folding, plan_carried, time_kind
from exporter.probes import plan_probe
from exporter.sliced_source import Slices, refuse_slices
from exporter.source import Bound, Estimate, Probe, SourceColumn, Statement, TableName, TimeKind
from exporter.time_column import utc_text
from staging.errors import InputError, PenstockError

_CONNECT_SECONDS = 10
_LOCK_SECONDS = 2
_NET_WRITE_SECONDS = 600  # how long the server waits for a reader that waits for the bucket
_VERSIONED_ENGINES = ("INNODB", "ROCKSDB", "TOKUDB", "NDB", "NDBCLUSTER", "FEDERATED")
_SHORT_TEXT_BYTES = 8192

_IDENTITY = "SELECT VERSION(), @@hostname, @@port, @@server_id, CONNECTION_ID()"


class MysqlSource:
    """A connection that reads and one for the catalogue."""

    def __init__(self, url: URL, rows: RowReader) -> None:
        self.url = url
        self.rows = rows
        self.is_abandoned = False
        self.catalogue = Catalogue(
            url.set(drivername="mysql+pymysql"), self.translate, connect_args={"connect_timeout": _CONNECT_SECONDS}
        )
        try:
            ((version, host, port, number, self.connection_id),) = rows.run(_IDENTITY, "say who it is")
        except PenstockError:
            self.close()
            raise
        self.server_version = str(version)
        self.dialect = "mariadb" if "mariadb" in self.server_version.lower() else "mysql"
        self.reader = f"{rows.reader}-{self.dialect}"
        self.server_identity = f"{host}:{port}#{number}/{url.database or ''}"

    def translate(self, error: BaseException, doing: str) -> PenstockError:
        """Return ours."""
        return translate_error(error, doing, self.url)

    def begin_snapshot(self, table: TableName, *, max_seconds: int) -> MysqlSnapshot:
        """Fix the snapshot, then hold the table's definition by a first look at it."""
        self._check_engine(table)
        limit = (
            f"max_statement_time = {max_seconds}"
            if self.dialect == "mariadb"
            else (f"max_execution_time = {max_seconds * 1000}")
        )
        for setting in (
            "time_zone = '+00:00'",
            limit,
            f"lock_wait_timeout = {_LOCK_SECONDS}",
            f"net_write_timeout = {_NET_WRITE_SECONDS}",
            "TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        ):
            self.rows.run(f"SET SESSION {setting}", "set up the session")
        ((as_of,),) = self.rows.run("SELECT DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%d %H:%i:%s.%f')", "tell the time")
        self.rows.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", "begin a snapshot")
        evidence = self._evidence()
        table_sql = self.catalogue.table_sql(table)
        if not self.catalogue.leading_columns(table):
            self.catalogue.columns(table)  # says which table there may be instead
        self.rows.run(f"SELECT 1 FROM {table_sql} LIMIT 0", f"hold the definition of {table}")  # noqa: S608 - quoted
        as_of = datetime.fromisoformat(as_of).replace(tzinfo=UTC)
        return MysqlSnapshot(self, table, table_sql, as_of=as_of, evidence=evidence)

    def why_no_slices(self, table: TableName) -> str:
        """Return why there are none."""
        del table
        return "this version reads MySQL and MariaDB in snapshots only"

    def begin_slices(self, table: TableName) -> Slices:
        """Refuse."""
        raise refuse_slices(table, self.why_no_slices(table))

    def interrupt(self) -> None:
        """Kill what the reading connection runs, by a connection of its own."""
        killing = f"KILL QUERY {int(self.connection_id)}"
        with suppress(SQLAlchemyError, pymysql.Error, OSError), self.catalogue.engine.connect() as connection:
            connection.exec_driver_sql(killing)

    def abandon(self) -> None:
        """Leave the connections to the thread that uses them."""
        self.is_abandoned = True

    def close(self) -> None:
        """Close both connections."""
        if self.is_abandoned:
            return
        with suppress(SQLAlchemyError, pymysql.Error, OSError):
            self.rows.close()
        self.catalogue.close()

    def _check_engine(self, table: TableName) -> None:
        found = self.catalogue.rows(
            "SELECT engine FROM information_schema.tables WHERE table_schema = coalesce(%s, database()) "
            "AND table_name = %s AND table_type = 'BASE TABLE'",
            table.schema,
            table.table,
        )
        engine = str(found[0][0]) if found else ""
        if engine and engine.upper() not in _VERSIONED_ENGINES:
            raise InputError(
                f"Table {table} is of the engine {engine}, which has no snapshots.",
                why="Rows that change while it is read would be seen half, and nobody would know.",
                fix="ALTER TABLE … ENGINE = InnoDB, or export a copy of it.",
            )

    def _evidence(self) -> dict[str, str]:
        """Return where in the binary log the snapshot lies: exactly on MariaDB, shortly before it on MySQL."""
        evidence = {"connection_id": str(self.connection_id)}
        try:
            if self.dialect == "mariadb":
                rows = self.rows.run(
                    "SELECT LOWER(VARIABLE_NAME), VARIABLE_VALUE FROM information_schema.SESSION_STATUS "
                    "WHERE VARIABLE_NAME LIKE 'BINLOG_SNAPSHOT%'",
                    "say where its log stands",
                )
                found = {str(name): str(value) for name, value in rows if value}
                if position := found.get("binlog_snapshot_file"):
                    gtid = self.rows.run(
                        f"SELECT BINLOG_GTID_POS({_quoted(position)}, {int(found['binlog_snapshot_position'])})",
                        "say where its log stands",
                    )
                    found["gtid"] = str(gtid[0][0])
            else:
                ((gtid_executed,),) = self.rows.run("SELECT @@GLOBAL.gtid_executed", "say where its log stands")
                found = {"gtid_executed": str(gtid_executed)} if gtid_executed else {}
        except PenstockError as exc:
            return evidence | {"log": f"not known: {exc.why}"}
        return evidence | (found or {"log": "no binary log"})


class MysqlSnapshot:
    """A REPEATABLE READ, READ ONLY transaction."""

    def __init__(
        self, source: MysqlSource, table: TableName, table_sql: str, *, as_of: datetime, evidence: dict[str, str]
    ) -> None:
        self._source = source
        self._table = table
        self._open = True
        self._indexed = source.catalogue.leading_columns(table)
        self.table_sql = table_sql
        self.as_of = as_of
        self.evidence = evidence

    def describe(self) -> Mapping[str, SourceColumn]:
        """Return the columns with the database's own spelling of their types."""
        catalogue = self._source.catalogue
        told = catalogue.rows(
            "SELECT column_name, column_type, collation_name FROM information_schema.columns "
            "WHERE table_schema = coalesce(%s, database()) AND table_name = %s ORDER BY ordinal_position",
            self._table.schema,
            self._table.table,
        )
        found = {}
        for reflected, (name, spelled, collation) in zip(catalogue.columns(self._table), told, strict=True):
            # SQLAlchemy reads names from SHOW CREATE TABLE and leaves the backticks in them doubled.
            column = replace(reflected, name=name, quoted=catalogue.quote(name))
            carried, refusal = plan_carried(column, by_odbc=self._source.rows.by_odbc)
            found[column.name] = SourceColumn(
                name=column.name,
                source_type=str(spelled),
                nullable=column.nullable,
                quoted=column.quoted,
                carried=carried,
                refusal=refusal,
                time=time_kind(column),
                folding=folding(collation),
                indexed=column.name in self._indexed,
                null_meaning="is NULL or a date with zeros"
                if isinstance(column.type, sql.Date | sql.DateTime)
                else "is NULL",
            )
        return found

    def literal(self, bound: Bound) -> str:
        """Write a bound; the session's zone is UTC."""
        match bound:
            case datetime(tzinfo=None):
                return f"TIMESTAMP'{bound.isoformat(sep=' ')}'"
            case datetime():
                return f"TIMESTAMP'{utc_text(bound)}'"
            case date():
                return f"DATE'{bound.isoformat()}'"
            case int():
                return str(bound)
        raise InputError(f"{self._source.dialect} has no time column like {bound!r}.")

    def fetch(self, sql: str) -> Sequence[tuple[object, ...]]:
        """Return the rows of a small statement in this snapshot."""
        return self._source.rows.run(sql, "look at the day")

    def probes(self, statement: Statement, columns: Sequence[SourceColumn]) -> Sequence[Probe]:
        """Look for zero dates in the time column: they lie before every window."""
        key, time, *_ = columns
        if time.time is TimeKind.UNIX_SECONDS:
            return ()
        first = "DATE'0001-01-01'" if time.time is TimeKind.DATE else "TIMESTAMP'0001-01-01 00:00:00'"
        zero = f"{time.quoted} < {first}"
        return [plan_probe(statement, key, zero, f"Column {time.name} is a date with zeros, such as 0000-00-00")]

    def estimate(self, statement: Statement) -> Estimate:
        """Return what the optimizer expects."""
        return Estimate(self._explain(statement.text()), "expected by EXPLAIN")

    def read(self, statement: Statement, estimate: Estimate) -> Iterator[pl.DataFrame]:
        """Read the window, in stretches of this very snapshot where that is cheaper or spares memory."""
        longest = self._longest_value_bytes(statement)

        def stream(sql: str) -> Iterator[pl.DataFrame]:
            return self._source.rows.stream(sql, statement, longest_value_bytes=longest)

        quote = self._source.catalogue.quote
        time_is_indexed = statement.time in {quote(name) for name in self._indexed}
        if primary_key := self._integer_primary_key():
            keys = find_key_range(
                statement, quote(primary_key), time_is_indexed=time_is_indexed, fetch=self.fetch, explain=self._explain
            )
            if keys is not None:
                return read_along_key(statement, keys, stream)
        if self._source.rows.by_odbc and time_is_indexed and isinstance(statement.low, datetime):
            return read_along_time(statement, estimate.rows, stream)
        return stream(statement.text())

    def _explain(self, sql: str) -> int:
        plans = self._source.catalogue.rows(f"EXPLAIN {sql}")
        position = 9 if self._source.dialect == "mysql" else 8
        return max((int(plan[position] or 0) for plan in plans), default=0)

    def _integer_primary_key(self) -> str | None:
        key = self._source.catalogue.primary_key(self._table)
        types = {column.name: column.type for column in self._source.catalogue.columns(self._table)}
        return key[0] if len(key) == 1 and isinstance(types[key[0]], sql.Integer) else None

    def close(self) -> None:
        """End the transaction."""
        if self._open and not self._source.is_abandoned:
            self._open = False
            with suppress(PenstockError):  # a dead connection has ended it
                self._source.rows.run("ROLLBACK", "end the snapshot")

    def _longest_value_bytes(self, statement: Statement) -> int:
        """Return how long a text or binary value can be: by declaration, or looked up where that says too much."""
        values = [carried.select for carried in statement.select if carried.dtype in (pl.String, pl.Binary)]
        declared = dict(
            self._source.catalogue.rows(
                "SELECT column_name, character_octet_length FROM information_schema.columns "
                "WHERE table_schema = coalesce(%s, database()) AND table_name = %s",
                self._table.schema,
                self._table.table,
            )
        )
        quoted = {self._source.catalogue.quote(name): int(size or 0) for name, size in declared.items()}
        if all(quoted.get(value, 0) <= _SHORT_TEXT_BYTES for value in values):
            return _SHORT_TEXT_BYTES * 4
        longest = ", ".join(f"COALESCE(MAX(OCTET_LENGTH({value})), 0)" for value in values)
        ((*sizes,),) = self.fetch(f"SELECT {longest} FROM {statement.table} WHERE {statement.condition()}")  # noqa: S608 - quoted
        return max(1024, *(int(str(size)) * 4 for size in sizes))


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
