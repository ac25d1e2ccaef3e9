"""Decides whether a day is over for PostgreSQL.

Its clock is past the end and the grace, and no older transaction is open. Nobody knows when one that is prepared for
two-phase commit began, so any of this database counts as an older one.

Right: pg_read_all_stats (or pg_monitor) to see when other users' transactions began. Without it, and on a replica,
whose primary's transactions nobody sees, the grace is `WEAK_GRACE_FACTOR` times as long. Everybody may see prepared
transactions, unless the right to pg_prepared_xacts was taken away. Transactions on the server of a foreign table are
not seen, either; and the age of a copy has to be known (`elsewhere`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from exporter.port.prepared import why_prepared
from exporter.port.sliced_source import WEAK_GRACE_FACTOR, Closed
from exporter.postgres.elsewhere import Elsewhere
from staging.errors import InputError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Transactions of other databases can't write here. Vacuum's workers write no rows; a replica's receiver neither.
_SQL = """
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
       pg_is_in_recovery(),
       (extract(epoch FROM CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() END) * 1000000)::bigint,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
       (SELECT (extract(epoch FROM min(xact_start)) * 1000000)::bigint FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
          AND NOT pg_is_in_recovery() AND backend_type NOT IN ('autovacuum worker', 'walsender'))
"""
_PREPARED = """
SELECT gid, to_char(prepared AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
FROM pg_prepared_xacts WHERE database = current_database()
"""
_DOING = "say whether the day is over"

Run = Callable[[str, str], Sequence[tuple[Any, ...]]]


def find_closed(run: Run, elsewhere: Elsewhere, window_end: datetime, grace_seconds: int) -> Closed:
    """Ask the server, of tables that are made of this."""
    ((now_us, is_replica, replayed_us, sees_all, oldest_us),) = run(_SQL, _DOING)
    now, replayed, oldest = _instant(now_us), _instant(replayed_us), _instant(oldest_us)
    assert now is not None  # noqa: S101 - a clock has no NULL
    prepared, sees_prepared = _why_prepared(run)
    is_weak = is_replica or not sees_all or not sees_prepared or bool(elsewhere.foreign)
    over = window_end + timedelta(seconds=grace_seconds * (WEAK_GRACE_FACTOR if is_weak else 1))
    how = _how(is_replica=is_replica, sees_all=sees_all, sees_prepared=sees_prepared, over=over)
    if elsewhere.foreign:
        how += f"; transactions on the server of the foreign table {elsewhere.foreign[0]} are not seen"
    own = _why_not(now, replayed, oldest, over, is_replica=is_replica) or prepared
    why_not = own or elsewhere.why_not_over(over)
    return Closed(not why_not, now, how, why_not, is_weak, _grant(sees_all=sees_all, sees_prepared=sees_prepared))


def _why_prepared(run: Run) -> tuple[str, bool]:
    """Return a prepared transaction, and whether such may be seen."""
    try:
        why = why_prepared(
            lambda: {gid: f" (pg_prepared_xacts: since {since} UTC)" for gid, since in run(_PREPARED, _DOING)}
        )
    except InputError:  # the right is missing
        return "", False
    return why, True


def _grant(*, sees_all: bool, sees_prepared: bool) -> str:
    rights = [
        *([] if sees_all else ["GRANT pg_read_all_stats TO the account of source.url"]),
        *([] if sees_prepared else ["GRANT SELECT ON pg_prepared_xacts TO the account of source.url"]),
    ]
    return " and ".join(rights) + "; until then the grace is four times as long." if rights else ""


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def _how(*, is_replica: bool, sees_all: bool, sees_prepared: bool, over: datetime) -> str:
    if is_replica:
        return (
            f"the replica has replayed transactions later than {over:%F %T} UTC; its primary's open ones are not seen, "
            "nor are its prepared ones"
        )
    clock = f"the database's clock is past {over:%F %T} UTC"
    unseen = [
        *([] if sees_all else ["open transactions of other users are not seen (GRANT pg_read_all_stats)"]),
        *([] if sees_prepared else ["prepared transactions are not seen (GRANT SELECT ON pg_prepared_xacts)"]),
    ]
    return "; ".join([clock, *unseen]) if unseen else f"{clock}, and no transaction from before is open or prepared"


def _why_not(
    now: datetime, replayed: datetime | None, oldest: datetime | None, over: datetime, *, is_replica: bool
) -> str:
    if now < over:
        return f"the database's clock says {now:%F %T} UTC, and the day counts as over from {over:%F %T} UTC on"
    if is_replica and (replayed is None or replayed < over):
        until = f"{replayed:%F %T} UTC" if replayed else "nowhere"
        return f"the replica has replayed its primary's transactions until {until}, not until {over:%F %T} UTC"
    if oldest is not None and oldest < over:
        return f"a transaction that began at {oldest:%F %T} UTC is still open, and may yet write rows of the day"
    return ""
