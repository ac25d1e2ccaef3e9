"""pgbouncer for tests: a pool before a PostgreSQL server of the tests."""

from __future__ import annotations

import signal
from typing import Literal
from urllib.parse import quote

import psycopg
from psycopg.rows import TupleRow

from tests.servers.postgres import USER, PostgresServer
from tests.servers.programs import find_pgbouncer
from tests.servers.server import HOST, PASSWORD, Server

Mode = Literal["session", "transaction", "statement"]


class PgbouncerServer(Server):
    """A pool of `size` servers; `takes_turns` gives out the server that has rested longest, not the last one."""

    name = "pgbouncer"
    system_users = ("postgres", "nobody")
    stop_signal = signal.SIGINT

    def __init__(self, behind: PostgresServer, mode: Mode, *, size: int = 20, takes_turns: bool = False) -> None:
        self._program = find_pgbouncer()
        self._behind = behind
        self._mode = mode
        self._size = size
        self._takes_turns = takes_turns
        super().__init__()

    def prepare(self) -> None:
        """Write the list of its only account; the password goes on to the server."""
        users = self.folder / "users.txt"
        users.write_text(f'"{USER}" "{PASSWORD}"\n', encoding="utf-8")
        users.chmod(0o644)

    def command(self) -> list[str]:
        """Write its settings, which hold the port, and return its command line."""
        settings = self.folder / "pgbouncer.ini"
        settings.write_text(
            "\n".join(
                [
                    "[databases]",
                    f"* = host={HOST} port={self._behind.port}",
                    "[pgbouncer]",
                    f"listen_addr = {HOST}",
                    f"listen_port = {self.port}",
                    "unix_socket_dir =",
                    f"auth_file = {self.folder / 'users.txt'}",
                    "auth_type = scram-sha-256",
                    f"pool_mode = {self._mode}",
                    f"default_pool_size = {self._size}",
                    f"server_round_robin = {int(self._takes_turns)}",
                    f"stats_users = {USER}",
                ]
            ),
            encoding="utf-8",
        )
        settings.chmod(0o644)
        return [str(self._program), str(settings)]

    def is_ready(self) -> bool:
        """Whether it lets us in, to its own console."""
        try:
            self.connect("pgbouncer").close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, database: str) -> psycopg.Connection[TupleRow]:
        """Return a connection through it, in autocommit."""
        return psycopg.connect(
            host=HOST,
            port=self.port,
            user=USER,
            password=PASSWORD,
            dbname=database,
            connect_timeout=5,
            autocommit=True,
            prepare_threshold=None,
        )

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database behind it."""
        account = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"
        return f"postgresql+psycopg://{account}@{HOST}:{self.port}/{database}"
