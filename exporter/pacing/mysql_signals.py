"""What MySQL and MariaDB say of their load: running threads, and how far this replica is behind.

Rights: none for the threads; REPLICA MONITOR (MariaDB) or REPLICATION CLIENT (MySQL) for the lag. A primary can't
tell how far its replicas are.
"""

from __future__ import annotations

from exporter.pacing.limits import ActiveSessions, ReplicaLag
from exporter.pacing.signals import Asks

_RUNNING = "SHOW GLOBAL STATUS LIKE 'Threads_running'"
_REPLICAS = "SHOW GLOBAL STATUS LIKE 'Slaves_connected'"  # MySQL has none: there they stay counted
_REPLICA = "SHOW REPLICA STATUS"  # MariaDB 10.5, MySQL 8.0.22
_BEHIND = ("Seconds_Behind_Master", "Seconds_Behind_Source")


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

    def lags(self) -> list[float | None]:
        """See `ReplicaLag`."""
        found = [row.get(name) for row in self._connection.ask(_REPLICA).by_name() for name in _BEHIND if name in row]
        return [None if seconds is None else float(str(seconds)) for seconds in found]
