"""Signals with a limit, whatever the database.

Sessions that work for others, and replicas that are behind.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque

from exporter.pacing.signals import PauseReason
from staging.errors import InputError, UnavailableError

_RECENT_LOOKS = 24
"""With fewer a server would count as busy that only by chance was at work at each look."""


class ActiveSessions(ABC):
    """How many sessions do something now, without our own.

    Above `limit` reading waits, at `critical` it ends.
    """

    what = "active sessions"
    interval_seconds = 0.25

    def __init__(self, limit: int | None, critical: int | None) -> None:
        self._limit = limit
        self._critical = critical
        self._recent: deque[int] = deque(maxlen=_RECENT_LOOKS)

    @property
    def name(self) -> str:
        """See `Signal`."""
        return f"the number of {self.what}"

    @abstractmethod
    def count(self) -> int:
        """Return how many there are."""

    def mean(self) -> float:
        """Return how many there were of late, 0 before the first look."""
        return sum(self._recent) / len(self._recent) if self._recent else 0.0

    def least(self) -> int:
        """Return the fewest sessions of the last looks.

        0 before the first look.
        """
        return min(self._recent, default=0)

    def look(self) -> PauseReason | None:
        """See `Signal`."""
        count = self.count()
        self._recent.append(count)
        if self._critical is not None and count >= self._critical:
            fix = "Try again at a calmer hour; `pacing.critical_active_sessions` is the limit."
            return PauseReason("active_sessions", f"{count} {self.what} >= {self._critical}", fix, is_critical=True)
        if self._limit is not None and count > self._limit:
            fix = "Try again at a calmer hour, or raise `pacing.max_active_sessions` if that many are usual here."
            return PauseReason("active_sessions", f"{count} {self.what} > {self._limit}", fix)
        return None


class ReplicaLag(ABC):
    """How far replication is behind.

    Above `limit_seconds`, or where nobody knows, reading waits.
    """

    name = "replication lag"
    interval_seconds = 1.0

    def __init__(self, limit_seconds: int) -> None:
        self._limit_seconds = limit_seconds

    @abstractmethod
    def lags(self) -> list[float | None]:
        """Return the seconds of each replica, None where replication is stopped.

        Empty where there is none.
        """

    def look(self) -> PauseReason | None:
        """See `Signal`."""
        lags = self.lags()
        if not lags:
            raise InputError(
                "There is no replica to measure.",
                why="`pacing.max_replica_lag_seconds` is set, and this server neither is one nor sees one.",
                fix="Leave the key out, or read from a replica.",
            )
        known = [lag for lag in lags if lag is not None]
        if len(known) < len(lags):
            raise UnavailableError(
                "Replication does not run.", fix="Start it, or unset `pacing.max_replica_lag_seconds`."
            )
        if max(known) <= self._limit_seconds:
            return None
        fix = "Reading goes on when the replica has caught up."
        return PauseReason("replica_lag", f"a replica is {max(known):.0f} s behind, > {self._limit_seconds} s", fix)
