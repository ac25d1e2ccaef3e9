"""Reads MySQL and MariaDB by pymysql.

Rows come as text, many in one value, so that no driver takes them apart. The snapshot is a transaction, READ ONLY under
REPEATABLE READ. The first look at the table takes a metadata lock that keeps ALTER out until the end; a table altered
before it is error 1412, or is not yet in the snapshot (`definition.begin_snapshot`), not wrong rows. Engines without
row versions (MyISAM, Aria, MEMORY) are refused: they would show the table as it is, not as it was.

Rights: SELECT on the table. To stop a statement the user kills a thread of its own, which needs none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime

import polars as pl
import pymysql
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from databases.mysql.session import TLS_SQL, open_session
from databases.mysql.url import driver_arguments, place_of, tls_mode
from databases.tls import tell_connection
from exporter.mysql.catalogue import MysqlCatalogue
from exporter.mysql.closed import find_closed
from exporter.mysql.connection import MysqlConnection
from exporter.mysql.definition import begin_snapshot
from exporter.mysql.errors import translate_error
from exporter.mysql.key_range import TimeIndex, WindowKeys
from exporter.mysql.log import find_executed_gtids, find_log_position
from exporter.mysql.pieces import plan_pieces
from exporter.mysql.row_text import RowChecksum, carry_as_text, longest_text_bytes, nullable_selects
from exporter.mysql.session import MysqlSession
from exporter.mysql.slices import MysqlSlices, begin_sliced_read
from exporter.mysql.table import MysqlTable
from exporter.mysql.texts import TextRows
from exporter.port.axis import Axis
from exporter.port.sliced_source import Closed, Slices, refuse_slices
from exporter.port.source import Estimate, Statement, TableName
from staging.errors import InputError, PenstockError

_LOCK_SECONDS = 2
_VERSIONED_ENGINES = ("INNODB", "ROCKSDB", "TOKUDB")
"""Those that show one instant. NDB knows READ COMMITTED alone, and the rows of a FEDERATED table are another server's,
in an unknown engine (MySQL manual, "Known Limitations of NDB Cluster" and "The FEDERATED Storage Engine")."""

_IDENTITY = "SELECT VERSION(), @@hostname, @@port, @@server_id, CONNECTION_ID(), @@max_allowed_packet"


class MysqlSource:
    """A connection that reads and one for the catalogue."""

    connections = 5
    """One for a snapshot, one for slices, one for the catalogue, one for signals, one to kill a statement of ours."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.is_abandoned = False
        self.connection = MysqlConnection(url)
        self._slices: MysqlSlices | None = None
        self.catalogue = MysqlCatalogue(
            url.set(drivername="mysql+pymysql"),
            self.translate,
            connect=lambda: open_session(driver_arguments(url), {}),
        )
        try:
            (identity,) = self.connection.run(_IDENTITY, "say who it is")
        except PenstockError:
            self.close()
            raise
        version, host, port, number, self.connection_id, packet_bytes = identity
        self.longest_text_bytes = longest_text_bytes(packet_bytes)
        self.server_version = str(version)
        self.dialect = "mariadb" if "mariadb" in self.server_version.lower() else "mysql"
        self.reader = f"pymysql-{self.dialect}, rows as text"
        self.server_identity = f"{host}:{port}#{number}/{url.database or ''}"

    def describe_connection(self) -> str:
        """See `Source`."""
        version = self.connection.run(TLS_SQL, "say how it is reached")
        return tell_connection(tls_mode(self.url), str(version[0][1]) if version else "", place_of(self.url))

    def translate(self, error: BaseException, doing: str) -> PenstockError:
        """Return the project's own error for a driver's."""
        return translate_error(error, doing, self.url)

    def begin_snapshot(self, table: TableName, *, max_seconds: int, also: Sequence[TableName] = ()) -> MysqlSnapshot:
        """Fix the snapshot, then look at the tables.

        That first look holds their definitions.
        """
        self._slices = None
        for each in (table, *also):
            self._check_engine(each)
        limit = (
            f"max_statement_time = {max_seconds}"
            if self.dialect == "mariadb"
            else (f"max_execution_time = {max_seconds * 1000}")
        )
        for setting in (
            limit,
            f"lock_wait_timeout = {_LOCK_SECONDS}",
            f"group_concat_max_len = {self.longest_text_bytes}",
            "TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        ):
            self.connection.run(f"SET SESSION {setting}", "set up the session")
        ((as_of,),) = self.connection.run("SELECT UTC_TIMESTAMP(6)", "tell the time")
        before = find_executed_gtids(self.connection.run, self.dialect)

        def check_table() -> None:
            for each in (table, *also):
                if not self.catalogue.leading_columns(each):
                    self.catalogue.columns(each)  # says which table there may be instead

        tables_sql = map(self.catalogue.table_sql, (table, *also))
        begin_snapshot(self.connection.run, *tables_sql, dialect=self.dialect, between=check_table)
        position = find_log_position(self.connection.run, self.dialect, before)
        evidence = {"connection_id": str(self.connection_id)} | position
        return MysqlSnapshot(self, table, as_of=as_of.replace(tzinfo=UTC), evidence=evidence)

    def why_no_slices(self, table: TableName) -> str:
        """Return why the table can't be read in slices.

        A view, an engine other than InnoDB, or rights on some columns alone.
        """
        kind_and_engine = self.catalogue.kind(table)
        match kind_and_engine:
            case (kind, _) if "VIEW" in kind:
                return "it is a view, whose rows no key can be proved to hold"
            case (_, engine) if engine.upper() != "INNODB":
                return f"its engine is {engine}, and only InnoDB shows one instant at the end"
        if kind_and_engine is not None and not self.catalogue.may_be_shown(table):
            return (
                "the user of source.url may see some of its columns only, and not whether it was altered "
                "(GRANT SELECT ON the whole table)"
            )
        return ""

    def find_closed(self, window_end: datetime, grace_seconds: int, *, tables: Sequence[TableName] = ()) -> Closed:
        """Ask the server, by a session of its own."""
        del tables
        with closing(MysqlSession(self.url)) as session:
            return find_closed(session, window_end, grace_seconds)

    def begin_slices(self, table: TableName, *, also: Sequence[TableName] = (), max_seconds: int = 0) -> Slices:
        """Open a connection for short statements.

        And take the witnesses of all tables.
        """
        for each in (table, *also):
            if why := self.why_no_slices(each):
                raise refuse_slices(each, why)
        read = begin_sliced_read(
            self.url, self.catalogue, (table, *also), dialect=self.dialect, max_seconds=max_seconds
        )
        self._slices = MysqlSlices(read, table)
        return self._slices

    def interrupt(self) -> None:
        """Kill what the reading connection runs, by a connection of its own."""
        slices = self._slices
        if slices is not None:
            slices.interrupt()
        killing = f"KILL QUERY {int(slices.connection_id if slices is not None else self.connection_id)}"
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
            self.connection.close()
        with suppress(SQLAlchemyError):  # a dead connection
            self.catalogue.close()

    def _check_engine(self, table: TableName) -> None:
        for each, kind, engine in self.catalogue.made_of(table):
            if "VIEW" in kind or engine.upper() in _VERSIONED_ENGINES:
                continue
            raise InputError(
                f"Table {each} is of the engine {engine}, which has no snapshots.",
                why="Rows that change while it is read would be seen half, and nobody would know.",
                fix="ALTER TABLE … ENGINE = InnoDB, or export a copy of it. "
                "What a FEDERATED table means is read from its own server.",
            )


class MysqlSnapshot(MysqlTable):
    """A REPEATABLE READ, READ ONLY transaction."""

    def __init__(self, source: MysqlSource, table: TableName, *, as_of: datetime, evidence: dict[str, str]) -> None:
        super().__init__(source.catalogue, source.connection.run, table, dialect=source.dialect, carry=carry_as_text)
        self._source = source
        self._open = True
        self.as_of = as_of
        self.evidence = evidence

    def beside(self, table: TableName) -> MysqlSnapshot:
        """Return another table in this transaction."""
        other = MysqlSnapshot(self._source, table, as_of=self.as_of, evidence=dict(self.evidence))
        other._open = False
        return other

    def read(self, statement: Statement, estimate: Estimate) -> Iterator[pl.DataFrame]:
        """Read the window.

        In stretches of this very snapshot, where it can be cut. With the last one the evidence has their checksum.
        """
        checksum = RowChecksum.begin()
        nullable = nullable_selects(self.describe())
        charset = self.plan_charset(statement)
        longest_bytes = self._source.longest_text_bytes
        rows = TextRows(self._source.connection, statement, nullable, longest_bytes, checksum, charset)
        axis = self._axis(statement, estimate)
        yield from rows.along(axis) if axis is not None else rows.whole()
        self.evidence |= checksum.evidence()

    def _axis(self, statement: Statement, estimate: Estimate) -> Axis | None:
        if not statement.has_time:
            return None
        is_indexed = self.is_indexed(statement.time)
        index = TimeIndex.find(self._catalogue, self.table, statement.time) if is_indexed else None
        key = self.integer_primary_key()
        keys = WindowKeys(statement, key, self.fetch, self.expected_rows) if key is not None else None
        return plan_pieces(keys, statement, index, estimate.rows)

    def close(self) -> None:
        """End the transaction."""
        if self._open and not self._source.is_abandoned:
            self._open = False
            with suppress(PenstockError):  # a dead connection has ended it
                self._source.connection.run("ROLLBACK", "end the snapshot")
