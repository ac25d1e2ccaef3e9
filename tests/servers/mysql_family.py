"""What MariaDB and MySQL have in common as servers for tests: protocol, accounts and databases."""

from __future__ import annotations

import contextlib
import secrets
from typing import Any, ClassVar
from urllib.parse import quote

import pymysql

from tests.servers.server import HOST, PASSWORD, Server

USER = "penstock"
SHARED_SETTINGS = {
    "bind-address": HOST,
    "max-connections": "120",
    "local-infile": "ON",
    "character-set-server": "utf8mb4",
    "innodb-buffer-pool-size": "96M",
    "server-id": "1",
    # Nothing of ours may lean on the server's zone.
    "default-time-zone": "+05:30",
}
NO_TLS = {"ssl_disabled": True}
"""For a test's own connections: with TLS one costs five times as much, here and in MySQL."""
NOTHING_IS_SYNCED = {"innodb-flush-log-at-trx-commit": "0", "innodb-flush-method": "nosync", "sync-binlog": "0"}


class MysqlFamilyServer(Server):
    """A server that PyMySQL talks to. Not `durable`: nothing is synced, which is for tests that never kill it."""

    dialect: ClassVar[str]
    """The name in SQLAlchemy URLs."""
    kill_connection: ClassVar[str]
    """The words that end another session, before its number."""
    system_users = ("mysql",)
    own_tls: ClassVar[dict[str, bool]] = NO_TLS
    """How `connect` connects."""

    def __init__(self, *, durable: bool = False) -> None:
        self._durable = durable
        super().__init__()

    def settings(self) -> dict[str, str]:
        """Return the server's options for `command`; a subclass adds its own."""
        own = {
            "datadir": str(self.folder / "data"),
            "init-file": str(self.folder / "start.sql"),
            "socket": str(self.folder / "socket"),
            "pid-file": str(self.folder / "data" / "pid"),
            "log-bin": str(self.folder / "data" / "binlog"),
            "port": str(self.port),
        }
        return SHARED_SETTINGS | own | ({} if self._durable else NOTHING_IS_SYNCED)

    def is_ready(self) -> bool:
        """Whether it lets us in."""
        try:
            self.connect().close()
        except pymysql.err.OperationalError:
            return False
        return True

    def connect(self, database: str | None = None) -> pymysql.connections.Connection[Any]:
        """Return a connection with all rights, in autocommit."""
        return pymysql.connect(
            host=HOST,
            port=self.port,
            user=USER,
            password=PASSWORD,
            database=database,
            connect_timeout=5,
            autocommit=True,
            **self.own_tls,
        )

    def url(self, database: str = "mysql", *, user: str = USER, password: str = PASSWORD) -> str:
        """Return the SQLAlchemy URL of a database."""
        account = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"{self.dialect}+pymysql://{account}@{HOST}:{self.port}/{database}"

    def create_database(self) -> str:
        """Create an empty database and return its name."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database. A connection that still uses it would make us wait, so such are ended first."""
        connection = self.connect()
        with connection, connection.cursor() as cursor:
            # Not information_schema.processlist: MySQL can't list a statement with a character of four bytes there.
            cursor.execute("SHOW PROCESSLIST")
            for number in [number for number, _, _, database, *_ in cursor.fetchall() if database == name]:
                with contextlib.suppress(pymysql.err.OperationalError):  # it has ended by itself
                    cursor.execute(f"{self.kill_connection} {number}")
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")

    def execute(self, statement: str) -> None:
        """Run one statement with all rights."""
        connection = self.connect()
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
