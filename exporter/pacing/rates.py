"""How long a slice is rested from: rules of arithmetic, on any clock of seconds."""

from __future__ import annotations

_MOST_CROWDED = 4.0


def nice_beside(nice: float, active_sessions: float) -> float:
    """Return how nice to be beside so many sessions that run a statement: as many times as there are, at most four.

    A server that works for several others all the time has nothing to spare, and each second of ours is taken from
    them; one that is idle most of the time has.
    """
    return nice * min(max(active_sessions, 1.0), _MOST_CROWDED)


def rest_until(ended_at: float, seconds: float, nice: float) -> float:
    """Return when the next slice may begin so that reading takes 1 / (1 + nice) of the time.

    A slice that took `seconds` until `ended_at` is rested from for `nice` times as long, however long it took: a
    database that has become slow is left alone for longer. In any stretch of time, reading takes at most that share
    and one slice.
    """
    return ended_at + nice * seconds


def ceiling_until(began_at: float, rows: int, max_rows_per_second: int) -> float:
    """Return when the next slice may begin so that no second sees more rows begun than allowed, and one slice."""
    return began_at + rows / max_rows_per_second
