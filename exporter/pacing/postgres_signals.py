"""What PostgreSQL says of its load.

Active sessions, and how far replicas are behind. Rights: none. With pg_monitor (or pg_read_all_stats) sessions that do
something are counted; without it PostgreSQL hides what others' sessions do, and those in a transaction are counted by
their locks, which are more.
"""

from __future__ import annotations

from exporter.pacing.limits import ActiveSessions, ReplicaLag
from exporter.pacing.signals import Asks
from staging.errors import UnavailableError

_SEES_ALL = "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all"

# Walsenders are always `active`; a row whose kind is NULL is one that is hidden from us.
_ACTIVE = """
SELECT count(*) FILTER (WHERE state = 'active' AND backend_type IN ('client backend', 'parallel worker')) AS sessions,
       count(*) FILTER (WHERE backend_type IS NULL) AS hidden
FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name IS DISTINCT FROM 'penstock-probe'
"""

# Every transaction holds a lock on its own virtual id, and anybody may see it.
_IN_TRANSACTION = """
SELECT count(*) AS sessions, 0 AS hidden FROM pg_locks
WHERE locktype = 'virtualxid' AND mode = 'ExclusiveLock' AND granted AND pid <> pg_backend_pid()
"""

# A standby that has replayed all it received from a primary that it is connected to is not behind, however long ago
# the last transaction was. A primary's rows without a state are hidden; one that is not streaming is behind by an
# unknown time.
_LAG = """
SELECT CASE WHEN EXISTS (SELECT 1 FROM pg_stat_wal_receiver) AND pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()
            THEN 0 ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END::float8 AS seconds,
       NULL AS state
WHERE pg_is_in_recovery()
UNION ALL
SELECT CASE WHEN state = 'streaming' THEN coalesce(extract(epoch FROM replay_lag), 0) END::float8,
       coalesce(state, 'hidden')
FROM pg_stat_replication WHERE NOT pg_is_in_recovery() AND state IS DISTINCT FROM 'backup'
"""


class PostgresSessions(ActiveSessions):
    """Sessions that run a statement.

    Where they are hidden at the first look, those in a transaction.
    """

    def __init__(self, connection: Asks, limit: int | None, critical: int | None) -> None:
        super().__init__(limit, critical)
        self._connection = connection
        self._sees_all: bool | None = None

    def count(self) -> int:
        """See `ActiveSessions`."""
        if self._sees_all is None:
            ((sees_all,),) = self._connection.ask(_SEES_ALL).rows
            self._sees_all = bool(sees_all)
            self.what = "active sessions" if self._sees_all else "sessions in a transaction"
        ((sessions, hidden),) = self._connection.ask(_ACTIVE if self._sees_all else _IN_TRANSACTION).rows
        if hidden:
            raise UnavailableError(
                "PostgreSQL hides what other sessions do.",
                why="The right to see it was there when the export began, and is gone.",
                fix="GRANT pg_monitor TO the user of source.url.",
            )
        return int(str(sessions))


class PostgresLag(ReplicaLag):
    """How far replication is behind.

    Of this server, if it is a standby, else of the farthest of those that stream from it.
    """

    def __init__(self, connection: Asks, limit_seconds: int) -> None:
        super().__init__(limit_seconds)
        self._connection = connection

    def lags(self) -> list[float | None]:
        """See `ReplicaLag`."""
        rows = self._connection.ask(_LAG).by_name()
        if any(row["state"] == "hidden" for row in rows):
            raise UnavailableError(
                "PostgreSQL hides how far its standbys are.",
                why="pg_stat_replication has rows without a state.",
                fix="GRANT pg_monitor TO the user of source.url.",
            )
        return [None if row["seconds"] is None else float(str(row["seconds"])) for row in rows]
