"""MariaDB for tests."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

import pymysql

from tests.servers.programs import find_mariadb
from tests.servers.server import HOST, PASSWORD, Server

USER = "penstock"


class MariadbServer(Server):
    """A server with its own data. Not `durable`: nothing is synced, which is for tests that never kill it."""

    name = "mariadb"
    system_users = ("mysql",)

    def __init__(self, *, durable: bool = False) -> None:
        self._programs = find_mariadb()
        self._durable = durable
        super().__init__()

    def prepare(self) -> None:
        """Make the data folder; the server's only account is made at every start, and needs the password."""
        self.run(
            [
                str(self._programs.install_db),
                "--no-defaults",
                f"--datadir={self.folder / 'data'}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-log-file-size=16M",
                "--innodb-flush-method=nosync",
            ]
        )
        (self.folder / "start.sql").write_text(
            "DELETE FROM mysql.global_priv WHERE User IN ('', 'root');\n"
            "FLUSH PRIVILEGES;\n"
            f"CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n",
            encoding="utf-8",
        )

    def command(self) -> list[str]:
        """Return the server's command line."""
        settings = {
            "datadir": str(self.folder / "data"),
            "init-file": str(self.folder / "start.sql"),
            "socket": str(self.folder / "socket"),
            "pid-file": str(self.folder / "data" / "pid"),
            "bind-address": HOST,
            "port": str(self.port),
            "max-connections": "120",
            "local-infile": "ON",
            "character-set-server": "utf8mb4",
            "innodb-buffer-pool-size": "96M",
            "innodb-log-file-size": "64M",
            "log-bin": str(self.folder / "data" / "binlog"),
            "binlog-format": "ROW",
            "server-id": "1",
            # Nothing of ours may lean on the server's zone.
            "default-time-zone": "+05:30",
        }
        if not self._durable:
            settings |= {"innodb-flush-log-at-trx-commit": "0", "innodb-flush-method": "nosync", "sync-binlog": "0"}
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [str(self._programs.mariadbd), "--no-defaults", "--skip-name-resolve", *options]

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
        )

    def url(self, database: str = "mysql", *, user: str = USER, password: str = PASSWORD) -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"mariadb+pymysql://{quote(user, safe='')}:{quote(password, safe='')}@{HOST}:{self.port}/{database}"

    def create_database(self) -> str:
        """Create an empty database and return its name."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database. A connection that still uses it would make us wait, so such are ended first."""
        connection = self.connect()
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (name,))
            for (number,) in cursor.fetchall():
                cursor.execute(f"KILL SOFT CONNECTION {number}")
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")

    def execute(self, statement: str) -> None:
        """Run one statement with all rights."""
        connection = self.connect()
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
