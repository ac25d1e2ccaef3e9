"""Opens the pace that a pipeline asks for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from exporter.catalogue import parse_url
from exporter.pace import Pace
from exporter.pacing.calm import Calm
from exporter.pacing.closed_loop import ClosedLoop
from exporter.pacing.mysql_signals import MysqlLag, MysqlSessions
from exporter.pacing.postgres_signals import PostgresLag, PostgresSessions
from exporter.pacing.rules import PacingRules, plan_rules
from exporter.pacing.signal_connection import SignalConnection
from exporter.pacing.signals import Asks, ProbeSignal, Signal, SwitchSignal
from staging.cancel import Cancel
from staging.config import Pipeline
from staging.progress import Progress
from staging.store import Store


@contextmanager
def open_pace(pipeline: Pipeline, dialect: str, store: Store, cancel: Cancel, progress: Progress) -> Iterator[Pace]:
    """Give the pace for a source of this dialect. It connects when it first looks, not before."""
    rules = plan_rules(pipeline.pacing, dialect)
    connection = SignalConnection(parse_url(pipeline.source.url.reveal()), dialect)
    signals: list[Signal] = [SwitchSignal(store, pipeline.name), *_signals(rules, dialect, connection)]
    try:
        yield ClosedLoop(rules, Calm(signals, time.monotonic), cancel, progress, clock=time.monotonic)
    finally:
        connection.close()


def _signals(rules: PacingRules, dialect: str, connection: Asks) -> Iterator[Signal]:
    sessions, lag = (PostgresSessions, PostgresLag) if dialect == "postgresql" else (MysqlSessions, MysqlLag)
    if rules.max_active_sessions is not None or rules.critical_active_sessions is not None:
        yield sessions(connection, rules.max_active_sessions, rules.critical_active_sessions)
    if rules.max_replica_lag_seconds is not None:
        yield lag(connection, rules.max_replica_lag_seconds)
    if rules.probe is not None:
        yield ProbeSignal(connection, rules.probe)
