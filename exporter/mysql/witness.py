"""Takes what a sliced read is compared with at its end.

It is taken before anything is asked that the read relies on. `MysqlSlices` takes it in its constructor: columns, plans
and keys are asked of an object that has it, so nothing can be asked too early.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from exporter.mysql.definition import Definition, find_definition
from exporter.mysql.row_text import KEY_BYTES
from exporter.mysql.table import Run
from exporter.port.source import TableName

_IDENTITY = "SELECT @@hostname, @@port, @@server_id"
_UPTIME = "SHOW GLOBAL STATUS LIKE 'Uptime'"
_UPTIME_SLACK_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Server:
    """Which server answers, and for how long it is up.

    Between `asked_at` and `answered_at`, of our monotonic clock, may lie seconds where we have to wait for our turn.
    """

    identity: tuple[object, ...]
    up_seconds: float
    asked_at: float
    answered_at: float

    def is_same(self, now: Server) -> bool:
        """Whether it is the same, and was up all the time between."""
        expected_seconds = self.up_seconds + now.asked_at - self.answered_at
        return self.identity == now.identity and now.up_seconds + _UPTIME_SLACK_SECONDS >= expected_seconds


@dataclass(frozen=True, slots=True)
class Witness:
    """The server, the table, and the key of this read's checksums."""

    server: Server
    definition: Definition
    key: str


def take_witness(run: Run, table: TableName, table_sql: str, *, dialect: str) -> Witness:
    """Ask the server; nobody else knows the key.

    InputError where there is no such table.
    """
    definition = find_definition(run, table, table_sql, dialect=dialect)
    return Witness(find_server(run), definition, secrets.token_urlsafe(KEY_BYTES))


def find_server(run: Run) -> Server:
    """Ask who answers."""
    (identity,) = run(_IDENTITY, "say who it is")
    asked_at = time.monotonic()
    ((_, up_seconds),) = run(_UPTIME, "say since when it is up")
    return Server(tuple(identity), float(up_seconds), asked_at, time.monotonic())
