"""Computes how long to rest after a slice.

Rules of arithmetic, on any clock of seconds.
"""

from __future__ import annotations

_CALM_SESSIONS, _BUSY_SESSIONS = 0.3, 0.5
_BUSY_FACTOR = 8.0


def busy_factor(active_sessions: float) -> float:
    """Return how many times as long to rest beside others.

    `active_sessions` run a statement, on an average of looks. Once up to 0.3 of them, eight times from 0.5 on. A server
    on which every other look finds somebody at work has nothing to spare, and each second of ours is taken from them;
    one that is idle most of the time has. Measured on one core: a load that never rests shows 0.4 to 1.2 sessions
    (PostgreSQL) and 1.7 (MariaDB), for it waits for its own client, too; 60 transactions a second show 0.1 to 0.3.
    """
    busy = (active_sessions - _CALM_SESSIONS) / (_BUSY_SESSIONS - _CALM_SESSIONS)
    return 1.0 + (_BUSY_FACTOR - 1.0) * min(max(busy, 0.0), 1.0)


def rest_until(ended_at: float, seconds: float, nice: float) -> float:
    """Return when the next slice may begin.

    Reading takes 1 / (1 + nice) of the time. A slice that took `seconds` until `ended_at` is rested from for `nice`
    times as long, however long it took: a database that has become slow is left alone for longer. In any stretch of
    time, reading takes at most that share and one slice.
    """
    return ended_at + nice * seconds


def ceiling_until(began_at: float, rows: int, max_rows_per_second: int) -> float:
    """Return when `max_rows_per_second` lets the next slice begin.

    No second sees more rows begun than allowed, and one slice.
    """
    return began_at + rows / max_rows_per_second
