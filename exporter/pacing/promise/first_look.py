"""Looks whether the statement can be a probe.

Before a row is read, so that a fault in it is reported at once.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

from exporter.pacing.promise.prober import ANSWER_SECONDS, SLOWEST_SECONDS
from exporter.pacing.signals import Asks
from staging.errors import InputError, PenstockError

MOST_ROWS = 1000
_LOOKS = 5
_COUNTS = ("postgresql", "sqlite")
_FIX = "Take a statement that many of the shop's visitors wait for, such as an order by its key."


def look_first(connection: Asks, sql: str, dialect: str, clock: Callable[[], float]) -> float:
    """Return how long the statement takes, in seconds.

    InputError where it can't be a probe, UnavailableError where that may pass.
    """
    if dialect in _COUNTS:  # whose client would take all rows first
        counted = f"SELECT COUNT(*) FROM (SELECT 1 FROM (\n{_bare(sql)}\n) AS p LIMIT {MOST_ROWS + 1}) AS n"  # noqa: S608 - the user's own
        ((rows,),) = _ask(connection, counted, clock)
        _check_rows(int(str(rows)))
    took = []
    for _ in range(_LOOKS):
        began = clock()
        _check_rows(len(_ask(connection, sql, clock)))
        took.append(clock() - began)
    if (seconds := statistics.median(took)) > SLOWEST_SECONDS:
        raise _too_slow(seconds)
    return seconds


def _ask(connection: Asks, sql: str, clock: Callable[[], float]) -> list[tuple[object, ...]]:
    began = clock()
    try:
        return list(connection.ask(sql).rows)
    except PenstockError as error:
        if (seconds := clock() - began) >= ANSWER_SECONDS:
            raise _too_slow(seconds) from error
        raise


def _check_rows(rows: int) -> None:
    if rows > MOST_ROWS:
        raise InputError(
            f"`pacing.latency_probe` returns more than {MOST_ROWS} rows.",
            why="It is run up to forty times a second.",
            fix=_FIX,
        )


def _too_slow(seconds: float) -> InputError:
    return InputError(
        f"`pacing.latency_probe` takes {seconds * 1000:.0f} ms, more than {SLOWEST_SECONDS * 1000:.0f} ms.",
        why="It may take a few hundredths of one connection's time, and would be run too seldom to measure a p99.",
        fix=_FIX,
    )


def _bare(sql: str) -> str:
    return sql.strip().rstrip(";")
