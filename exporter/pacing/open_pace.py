"""Opens the pace that a pipeline asks for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy.engine import URL

from databases.url import parse_url
from exporter.pacing.calm import Calm
from exporter.pacing.closed_loop import ClosedLoop
from exporter.pacing.limits import ActiveSessions, ReplicaLag
from exporter.pacing.mysql_signals import MysqlLag, MysqlSessions
from exporter.pacing.postgres_signals import PostgresLag, PostgresSessions
from exporter.pacing.promise.hold import Promise
from exporter.pacing.promise.prober import Prober
from exporter.pacing.rules import PacingRules, plan_rules
from exporter.pacing.signal_connection import PROBES, SignalConnection
from exporter.pacing.signals import Asks, ProbeSignal, Signal, SwitchSignal
from exporter.port.pace import ReadPace
from staging.config.pipeline import Pipeline
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.store import Store

_SESSIONS: Mapping[str, Callable[[Asks, int | None, int | None], ActiveSessions]] = {
    "postgresql": PostgresSessions,
    "mysql": MysqlSessions,
    "mariadb": MysqlSessions,
}
_LAGS: Mapping[str, Callable[[Asks, int], ReplicaLag]] = {
    "postgresql": PostgresLag,
    "mysql": MysqlLag,
    "mariadb": MysqlLag,
}


@contextmanager
def open_pace(
    pipeline: Pipeline,
    dialect: str,
    store: Store,
    cancel: Cancel,
    progress: Progress,
    *,
    measures: bool = False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] | None = None,
) -> Iterator[ReadPace]:
    """Yield the pace for a source of this dialect.

    It connects when it first looks, not before. `measures`: whether the shop's latency is measured where that is
    asked for. For `clock` and `sleep` see `ClosedLoop`.
    """
    rules = plan_rules(pipeline.pacing, dialect)
    url = parse_url(pipeline.source.url.reveal())
    connection = SignalConnection(url, dialect)
    promise = _promise(pipeline, rules, url, dialect, clock) if measures else None
    sessions = _sessions(rules, dialect, connection)
    signals: list[Signal] = [SwitchSignal(store, pipeline.name), *_signals(rules, dialect, connection)]
    if sessions is not None:
        signals.insert(1, sessions)
    if promise is not None:
        signals.append(promise)
    try:
        yield ClosedLoop(
            rules,
            Calm(signals, clock),
            cancel,
            progress,
            clock=clock,
            active_sessions=sessions.mean if sessions is not None else lambda: 0.0,
            sleep=sleep,
            promise=promise,
        )
    finally:
        if promise is not None:
            promise.close()
        connection.close()


def _promise(
    pipeline: Pipeline, rules: PacingRules, url: URL, dialect: str, clock: Callable[[], float]
) -> Promise | None:
    sql = pipeline.pacing.latency_probe
    if sql is None:
        return None
    prober = Prober(SignalConnection(url, dialect, PROBES), sql, clock)
    return Promise(prober, pipeline.pacing, rules.nice, dialect, clock)


def _sessions(rules: PacingRules, dialect: str, connection: Asks) -> ActiveSessions | None:
    if rules.max_active_sessions is None and rules.critical_active_sessions is None:
        return None
    return _SESSIONS[dialect](connection, rules.max_active_sessions, rules.critical_active_sessions)


def _signals(rules: PacingRules, dialect: str, connection: Asks) -> Iterator[Signal]:
    if rules.max_replica_lag_seconds is not None:
        yield _LAGS[dialect](connection, rules.max_replica_lag_seconds)
    if rules.probe is not None:
        yield ProbeSignal(connection, rules.probe)
