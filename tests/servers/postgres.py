"""PostgreSQL for tests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import signal
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg.rows import TupleRow

from tests.databases.postgres.emptied import empty, fingerprint
from tests.servers.programs import find_postgres
from tests.servers.server import HOST, PASSWORD, Server, copy_or_make, fresh_data, which

USER = "penstock"


def _quick_secret(password: str) -> str:
    """What SCRAM keeps of a password (RFC 5803), hashed once and not 4,096 times: each connection of a test does so."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    client, server = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
    kept = [base64.b64encode(each).decode() for each in (salt, hashlib.sha256(client).digest(), server)]
    return "SCRAM-SHA-256$1:{}${}:{}".format(*kept)


_OURS = "test_"


class PostgresServer(Server):
    """A cluster of its own. Not `durable`: nothing is synced, which is for tests that never kill it.

    All durable ones have the same identifier, as copies of one: of the others each has its own.
    """

    name = "postgres"
    system_users = ("postgres",)
    stop_signal = signal.SIGINT
    end_signal = signal.SIGQUIT

    def __init__(self, *, durable: bool = False) -> None:
        self._programs = find_postgres()
        self._durable = durable
        self._emptied: list[str] = []
        self._fresh: object = None
        self._own: psycopg.Connection[tuple[object, ...]] | None = None
        super().__init__()

    def prepare(self) -> None:
        """Make the cluster; its only account needs the password."""
        if self._durable:
            fresh = fresh_data(self.name, which(self._programs.initdb), PASSWORD, Path(__file__).read_text("utf-8"))
            copy_or_make(self.folder / "data", fresh, self._initialise, self.user)
        else:
            self._initialise()

    def _initialise(self) -> None:
        password_file = self.folder / "password"
        password_file.write_text(_quick_secret(PASSWORD), encoding="ascii")
        password_file.chmod(0o644)
        self.run(
            [
                str(self._programs.initdb),
                f"--pgdata={self.folder / 'data'}",
                f"--username={USER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "--no-instructions",
            ]
        )

    def command(self) -> list[str]:
        """Return the server's command line."""
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "max_connections": "120",
            "max_prepared_transactions": "8",
            "autovacuum_naptime": "10s",
            # Nothing of ours may lean on the server's zone.
            "timezone": "Asia/Kolkata",
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self._programs.postgres), "-D", str(self.folder / "data"), *options]

    def is_ready(self) -> bool:
        """Whether it lets us in."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, database: str = "postgres") -> psycopg.Connection[TupleRow]:
        """Return a connection with all rights, in autocommit."""
        return psycopg.connect(
            host=HOST,
            port=self.port,
            user=USER,
            password=PASSWORD,
            dbname=database,
            connect_timeout=5,
            autocommit=True,
        )

    def url(self, database: str = "postgres", *, user: str = USER, password: str = PASSWORD) -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://{quote(user, safe='')}:{quote(password, safe='')}@{HOST}:{self.port}/{database}"

    def create_database(self) -> str:
        """Create an empty database and return its name, which no other one has had.

        Where a test has left one that is as empty as a fresh one, it gets the new name.
        """
        name = f"{_OURS}{secrets.token_hex(6)}"
        if self._emptied:
            self._do(f"ALTER DATABASE {self._emptied.pop()} RENAME TO {name}")
        else:
            self._do(f"CREATE DATABASE {name} TEMPLATE template0")
        if self._fresh is None:
            with self.connect(name) as connection:
                self._fresh = fingerprint(connection)
        return name

    def drop_database(self, name: str) -> None:
        """Empty a database for another test, or drop it, and whoever is still connected to it."""
        # One of a name of its own is not kept: whoever made it may make it again.
        if not self._durable and name.startswith(_OURS) and self._is_emptied(name):
            self._emptied.append(name)
            return
        self._do(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def close(self) -> None:
        """End it and remove its data; safe to call twice."""
        if self._own is not None:
            self._own.close()
        super().close()

    def _do(self, statement: str) -> None:
        """Run one statement; where no test ends the server, by a session that stays."""
        if self._durable:
            with self.connect() as connection:
                connection.execute(statement)
            return
        if self._own is None or not _answers(self._own):
            self._own = self.connect()
        self._own.execute(statement)

    def _is_emptied(self, name: str) -> bool:
        try:
            with self.connect(name) as connection:
                empty(connection)
                return fingerprint(connection) == self._fresh
        except psycopg.Error:  # it is gone, lets nobody in, or holds what can't be dropped this way
            return False


def _answers(connection: psycopg.Connection[tuple[object, ...]]) -> bool:
    """Whether the session still lives: a test may end all sessions of a server, or stop and start it."""
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        connection.close()
        return False
    return True
