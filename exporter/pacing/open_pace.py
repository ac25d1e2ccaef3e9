"""Opens the pace that a pipeline asks for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from databases.url import parse_url
from exporter.pacing.calm import Calm
from exporter.pacing.closed_loop import ClosedLoop
from exporter.pacing.limits import ActiveSessions
from exporter.pacing.mysql_signals import MysqlLag, MysqlSessions
from exporter.pacing.postgres_signals import PostgresLag, PostgresSessions
from exporter.pacing.rules import PacingRules, plan_rules
from exporter.pacing.signal_connection import SignalConnection
from exporter.pacing.signals import Asks, ProbeSignal, Signal, SwitchSignal
from exporter.port.pace import Pace
from staging.config.pipeline import Pipeline
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.store import Store


@contextmanager
def open_pace(
    pipeline: Pipeline,
    dialect: str,
    store: Store,
    cancel: Cancel,
    progress: Progress,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] | None = None,
) -> Iterator[Pace]:
    """Yield the pace for a source of this dialect.

    It connects when it first looks, not before. For `clock` and `sleep` see `ClosedLoop`.
    """
    rules = plan_rules(pipeline.pacing, dialect)
    connection = SignalConnection(parse_url(pipeline.source.url.reveal()), dialect)
    sessions = _sessions(rules, dialect, connection)
    signals: list[Signal] = [SwitchSignal(store, pipeline.name), *_signals(rules, dialect, connection)]
    if sessions is not None:
        signals.insert(1, sessions)
    try:
        yield ClosedLoop(
            rules,
            Calm(signals, clock),
            cancel,
            progress,
            clock=clock,
            active_sessions=sessions.mean if sessions is not None else lambda: 0.0,
            sleep=sleep,
        )
    finally:
        connection.close()


def _sessions(rules: PacingRules, dialect: str, connection: Asks) -> ActiveSessions | None:
    if rules.max_active_sessions is None and rules.critical_active_sessions is None:
        return None
    made = PostgresSessions if dialect == "postgresql" else MysqlSessions
    return made(connection, rules.max_active_sessions, rules.critical_active_sessions)


def _signals(rules: PacingRules, dialect: str, connection: Asks) -> Iterator[Signal]:
    if rules.max_replica_lag_seconds is not None:
        lag = PostgresLag if dialect == "postgresql" else MysqlLag
        yield lag(connection, rules.max_replica_lag_seconds)
    if rules.probe is not None:
        yield ProbeSignal(connection, rules.probe)
