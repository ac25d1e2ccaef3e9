"""What MySQL and MariaDB say of their load: running threads, and how far this replica is behind.

Rights: none for the threads; REPLICA MONITOR (MariaDB) or REPLICATION CLIENT (MySQL) for the lag. A primary can't
tell how far its replicas are.
"""

from __future__ import annotations

import re

from exporter.pacing.limits import ActiveSessions, ReplicaLag
from exporter.pacing.signals import Asks

_RUNNING = "SHOW GLOBAL STATUS LIKE 'Threads_running'"
_REPLICAS = "SHOW GLOBAL STATUS LIKE 'Slaves_connected'"  # MySQL has none: there they stay counted
_VERSION = "SELECT VERSION()"
_BEHIND = ("Seconds_Behind_Source", "Seconds_Behind_Master")
_NUMBERS = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_NEW_WORDS = (8, 0, 22)  # of MySQL, whose 8.4 has forgotten the old ones


class MysqlSessions(ActiveSessions):
    """Threads that run a statement, without the one that asks and those that send the log to replicas all the time."""

    what = "threads running"

    def __init__(self, connection: Asks, limit: int | None, critical: int | None) -> None:
        super().__init__(limit, critical)
        self._connection = connection

    def count(self) -> int:
        """See `ActiveSessions`."""
        ((_, running),) = self._connection.ask(_RUNNING).rows
        replicas = sum(int(str(count)) for _, count in self._connection.ask(_REPLICAS).rows)
        return max(0, int(str(running)) - 1 - replicas)


class MysqlLag(ReplicaLag):
    """Of this server's own replication, the farthest of its sources; NULL while it is stopped."""

    def __init__(self, connection: Asks, limit_seconds: int) -> None:
        super().__init__(limit_seconds)
        self._connection = connection
        self._statement: str | None = None

    def lags(self) -> list[float | None]:
        """See `ReplicaLag`."""
        if self._statement is None:
            ((version,),) = self._connection.ask(_VERSION).rows
            self._statement = replica_statement(str(version))
        found = [
            row[name] for row in self._connection.ask(self._statement).by_name() for name in _BEHIND if name in row
        ]
        return [None if seconds is None else float(str(seconds)) for seconds in found]


def replica_statement(version: str) -> str:
    """Return what shows every channel of a replica of this version, as `SELECT VERSION()` has it.

    MariaDB has a statement for all of its named connections; without ALL it would show the one that has no name.
    """
    if "mariadb" in version.lower():
        return "SHOW ALL SLAVES STATUS"
    numbers = _NUMBERS.match(version)
    is_old = numbers is not None and tuple(map(int, numbers.groups())) < _NEW_WORDS
    return "SHOW SLAVE STATUS" if is_old else "SHOW REPLICA STATUS"
