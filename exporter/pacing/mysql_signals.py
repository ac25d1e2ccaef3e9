"""What MySQL and MariaDB say of their load.

Running threads, and how far this replica is behind. Rights: none for the threads, but on MySQL PROCESS to know which of
them send the log to replicas; REPLICA MONITOR (MariaDB) or REPLICATION CLIENT (MySQL) for the lag. A primary does not
know how far its replicas are.
"""

from __future__ import annotations

import re

from databases.mysql.replica import seconds_behind
from exporter.pacing.limits import ActiveSessions, ReplicaLag
from exporter.pacing.signals import Asks
from staging.errors import InputError

_SETTINGS = "SELECT VERSION() LIKE '%MariaDB%', @@GLOBAL.event_scheduler = 'ON'"
_COUNTS = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_running', 'Slaves_connected', 'Slaves_running')"  # MySQL: one
)
_THREADS_OF_A_REPLICA = 2
_MOST_SENDERS = 3
_SESSIONS = "SHOW PROCESSLIST"
"""In information_schema.processlist MySQL can't list a statement with a character of four bytes (error 3854)."""
_SENDS_THE_LOG = ("Binlog Dump", "Binlog Dump GTID")
_MAY_SEE_ALL = "SELECT COUNT(*) FROM information_schema.innodb_cmp"
"""Six rows that take PROCESS. Without it the list of processes is no error: it only has our own."""
_LOOKS_A_COUNT_LASTS = 240
"""About a minute; while the list is read, new connections wait."""
_VERSION = "SELECT VERSION()"
_NUMBERS = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_NEW_WORDS = (8, 0, 22)  # of MySQL, whose 8.4 has forgotten the old ones


class MysqlSessions(ActiveSessions):
    """Threads that run a statement.

    Without the one that asks, and those that always only seem to. MariaDB counts its event scheduler, the threads of
    its own replication and those that send the log to replicas, and says how many there are. MySQL counts the scheduler
    and the last, and does not say how many. They are counted in the list of processes where we may see it. Where we may
    not, they stay counted against limits, and up to three threads that every recent look has found are no sign that the
    server is busy.
    """

    what = "threads running"

    def __init__(self, connection: Asks, limit: int | None, critical: int | None) -> None:
        super().__init__(limit, critical)
        self._connection = connection
        self._is_mariadb: bool | None = None
        self._schedulers = 0
        self._sees_all: bool | None = None
        self._senders = 0
        self._looks = 0

    def count(self) -> int:
        """See `ActiveSessions`."""
        if self._is_mariadb is None:
            ((is_mariadb, has_scheduler),) = self._connection.ask(_SETTINGS).rows
            self._is_mariadb = bool(is_mariadb)
            self._schedulers = int(bool(has_scheduler))
        if not self._is_mariadb:
            self._count_senders()
        counts = {str(name): int(str(count)) for name, count in self._connection.ask(_COUNTS).rows}
        replication = counts.get("Slaves_connected", 0) + _THREADS_OF_A_REPLICA * counts.get("Slaves_running", 0)
        return max(0, counts["Threads_running"] - 1 - self._schedulers - replication - self._senders)

    def mean(self) -> float:
        """See `ActiveSessions`."""
        if self._is_mariadb or self._sees_all:
            return super().mean()
        return super().mean() - min(self.least(), _MOST_SENDERS)

    def _count_senders(self) -> None:
        """Count those that send MySQL's log, now and then."""
        if self._sees_all is None:
            try:
                self._connection.ask(_MAY_SEE_ALL)
                self._sees_all = True
            except InputError:  # the right is missing
                self._sees_all = False
        if self._sees_all and self._looks % _LOOKS_A_COUNT_LASTS == 0:
            sessions = self._connection.ask(_SESSIONS).by_name()
            self._senders = sum(session["Command"] in _SENDS_THE_LOG for session in sessions)
        self._looks += 1


class MysqlLag(ReplicaLag):
    """How far this server's own replication is behind.

    Of the farthest of its sources; None while one of its threads does not run.
    """

    def __init__(self, connection: Asks, limit_seconds: int) -> None:
        super().__init__(limit_seconds)
        self._connection = connection
        self._statement: str | None = None

    def lags(self) -> list[float | None]:
        """See `ReplicaLag`."""
        if self._statement is None:
            ((version,),) = self._connection.ask(_VERSION).rows
            self._statement = replica_statement(str(version))
        return [seconds_behind(channel) for channel in self._connection.ask(self._statement).by_name()]


def replica_statement(version: str) -> str:
    """Return the statement that shows every channel of a replica.

    It depends on the version, as `SELECT VERSION()` has it. MariaDB has a statement for all of its named connections;
    without ALL it would show the one that has no name.
    """
    if "mariadb" in version.lower():
        return "SHOW ALL SLAVES STATUS"
    numbers = _NUMBERS.match(version)
    is_old = numbers is not None and tuple(map(int, numbers.groups())) < _NEW_WORDS
    return "SHOW SLAVE STATUS" if is_old else "SHOW REPLICA STATUS"
