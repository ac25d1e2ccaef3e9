"""How long a slice is rested from: two rules of arithmetic, on any clock of seconds."""

from __future__ import annotations


def rest_until(ended_at: float, seconds: float, nice: int) -> float:
    """Return when the next slice may begin so that reading takes 1 / (1 + nice) of the time.

    A slice that took `seconds` until `ended_at` is rested from for `nice` times as long, however long it took: a
    database that has become slow is left alone for longer. In any stretch of time, reading takes at most that share
    and one slice.
    """
    return ended_at + nice * seconds


def ceiling_until(began_at: float, rows: int, max_rows_per_second: int) -> float:
    """Return when the next slice may begin so that no second sees more rows begun than allowed, and one slice."""
    return began_at + rows / max_rows_per_second
