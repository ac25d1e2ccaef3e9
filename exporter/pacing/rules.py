"""Which limits hold: what the configuration says, else what its preset does.

`primary` is for the server that the shop itself uses, on a busy evening; docs/decisions/0006 has the measurements.
`replica` is for a server that nobody waits for: it reads flat out, and heeds only what is asked for by name.
"""

from __future__ import annotations

from dataclasses import dataclass

from staging.config.pacing import PacingConfig
from staging.errors import InputError

_NICE = {"primary": 3, "replica": 0}
_MAX_ACTIVE_SESSIONS = 25
_CRITICAL_FACTOR = 4
_TELL_SESSIONS = ("postgresql", "mysql", "mariadb")


@dataclass(frozen=True, slots=True)
class PacingRules:
    """The limits of a read; None where one does not hold.

    `nice`: seconds of rest for each second of reading.
    """

    nice: int
    max_rows_per_second: int | None
    max_active_sessions: int | None
    critical_active_sessions: int | None
    max_replica_lag_seconds: int | None
    probe: str | None
    max_pause_seconds: int
    watches_latency: bool


def plan_rules(config: PacingConfig, dialect: str) -> PacingRules:
    """Return the limits for a source of this dialect.

    InputError for one that it has no signal for.
    """
    is_primary = config.gentle == "primary"
    tells_sessions = dialect in _TELL_SESSIONS
    _check_signals(config, dialect)
    limit = config.max_active_sessions or (_MAX_ACTIVE_SESSIONS if is_primary and tells_sessions else None)
    critical = config.critical_active_sessions
    if critical is None and is_primary and limit is not None:
        critical = limit * _CRITICAL_FACTOR
    return PacingRules(
        nice=_NICE[config.gentle] if config.nice is None else config.nice,
        max_rows_per_second=config.max_rows_per_second,
        max_active_sessions=limit,
        critical_active_sessions=critical,
        max_replica_lag_seconds=config.max_replica_lag_seconds,
        probe=config.probe,
        max_pause_seconds=config.max_pause_seconds,
        watches_latency=is_primary,
    )


def _check_signals(config: PacingConfig, dialect: str) -> None:
    asked = [
        name
        for name in ("max_active_sessions", "critical_active_sessions", "max_replica_lag_seconds")
        if getattr(config, name) is not None
    ]
    if asked and dialect not in _TELL_SESSIONS:
        raise InputError(
            f"`pacing.{asked[0]}` has nothing to look at.",
            why=f"What {dialect} does for others is not known here.",
            fix="Leave it out; `pacing.probe` takes a statement of your own.",
        )
    limit, critical = config.max_active_sessions, config.critical_active_sessions
    if limit is not None and critical is not None and critical <= limit:
        raise InputError(
            f"`pacing.critical_active_sessions` is {critical}, not above `pacing.max_active_sessions` {limit}.",
            why="Reading pauses at the one and is given up at the other.",
            fix="Raise the critical one.",
        )
