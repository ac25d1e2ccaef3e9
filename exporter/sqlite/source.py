"""Reads SQLite: one transaction is the snapshot.

In rollback-journal mode a reader keeps writers from committing; the snapshot's cap holds here, too.

Rights: to read the file and, in WAL mode, to write beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.engine import URL

from exporter.port.sliced_source import Slices, refuse_slices
from exporter.port.source import TableName
from exporter.sqlite.connection import SqliteConnection
from exporter.sqlite.table import SqliteSnapshot


class SqliteSource:
    """One file."""

    dialect = "sqlite"
    reader = "adbc-sqlite"
    connections = 0

    def __init__(self, url: URL) -> None:
        self._connection = SqliteConnection(url)
        self.server_version = self._connection.server_version
        path = self._connection.path
        self.server_identity = f"{path}#{path.stat().st_ino}"

    def describe_connection(self) -> str:
        """See `Source`."""
        return f"the file {self._connection.path}"

    def begin_snapshot(self, table: TableName, *, max_seconds: int, also: Sequence[TableName] = ()) -> SqliteSnapshot:
        """Begin a transaction; its first read fixes what all see."""
        del max_seconds, also  # there is no server that could enforce it, and nobody alters a file that is read
        self._connection.run("BEGIN", "begin a snapshot")
        ((count, now),) = self._connection.run(
            "SELECT (SELECT count(*) FROM sqlite_schema), strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')",
            "begin a snapshot",
        )
        del count
        ((schema_version,),) = self._connection.run("PRAGMA schema_version", "begin a snapshot")
        evidence = {"schema_version": str(schema_version)}
        return SqliteSnapshot(self._connection, table, as_of=datetime.fromisoformat(now), evidence=evidence)

    def why_no_slices(self, table: TableName) -> str:
        """Return why there are none."""
        del table
        return "SQLite has no row versions and no clock that writers share"

    def find_closed(self, window_end: datetime, grace_seconds: int, *, tables: Sequence[TableName] = ()) -> None:
        """Return None: nothing is known of others' transactions."""

    def begin_slices(self, table: TableName, *, also: Sequence[TableName] = (), max_seconds: int = 0) -> Slices:
        """Raise InputError: there are no slices here."""
        del also, max_seconds
        raise refuse_slices(table, self.why_no_slices(table))

    def interrupt(self) -> None:
        """Do nothing: ADBC's driver can't stop SQLite in this process."""

    def abandon(self) -> None:
        """Leave the connections to the thread that uses them."""
        self._connection.is_abandoned = True

    def close(self) -> None:
        """Close both connections."""
        self._connection.close()
