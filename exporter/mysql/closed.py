"""Decides whether a day is over for MySQL or MariaDB.

Its clock is past end and grace, and no older transaction is open. Nobody knows when one that is prepared for two-phase
commit (XA) began, so any counts as an older one.

Rights: PROCESS to see transactions (information_schema.innodb_trx), among them prepared ones, whose sessions may have
gone; without it, and on a replica, whose primary's transactions nobody sees, the grace is `WEAK_GRACE_FACTOR` times as
long. On MySQL XA_RECOVER_ADMIN shows prepared ones by their names. SLAVE MONITOR (MySQL: REPLICATION CLIENT) shows
whether the server is a replica and how far it has got; without it a server that is `read_only` counts as one. For a
replica of a replica, MySQL shows when its last transaction was first committed, with SELECT on
performance_schema.replication_applier_status_by_worker; MariaDB does not.

MySQL lists each transaction with its statement in utf8mb3, and lists none at all (error 3854) while one of them runs a
statement with a character of four bytes, such as an emoji. So it is asked again; in the end they count as not seen.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from databases.mysql.errors import error_number
from databases.mysql.replica import follows_a_replica, seconds_behind
from exporter.mysql.session import MysqlSession
from exporter.port.prepared import why_prepared
from exporter.port.sliced_source import WEAK_GRACE_FACTOR, Closed, SliceLostError
from staging.errors import InputError, PenstockError

_DOING = "say whether the day is over"
_RESOLUTION = timedelta(seconds=1)  # of trx_started and of Seconds_Behind
_CACHE_SECONDS = 0.15  # information_schema.innodb_trx is as old as that
_LOOKS, _MOST_LOOKS = 5, 40
"""Until our own transaction is listed; until any list comes."""
_TRANSACTIONS = "SELECT trx_mysql_thread_id, trx_started FROM information_schema.innodb_trx"
_CANNOT_CONVERT = 3854
_NO_RIGHT = "GRANT PROCESS ON *.* TO the user"
_NO_LIST = "MySQL lists none while one runs a statement with a character of four bytes, and one did each time"
_SILENT = "SHOW GLOBAL VARIABLES WHERE variable_name IN ('replica_net_timeout', 'slave_net_timeout')"
"""How long a replica may take a silent source for one that has nothing to send."""
_WORKERS = "performance_schema.replication_applier_status_by_worker"
_COMMITTED = "UNIX_TIMESTAMP(MAX(last_applied_transaction_original_commit_timestamp))"
_WRITTEN = f"SELECT {_COMMITTED} FROM {_WORKERS} GROUP BY channel_name"  # noqa: S608 - ours
_REPLICA_STATUS = ("SHOW ALL SLAVES STATUS", "SHOW REPLICA STATUS", "SHOW SLAVE STATUS")


@dataclass(frozen=True, slots=True)
class _Replica:
    """`applied_until` is None where the replica does not say, as where it `follows` a replica."""

    applied_until: datetime | None
    follows: bool = False


def find_closed(session: MysqlSession, window_end: datetime, grace_seconds: int) -> Closed:
    """Ask the server."""
    now = _now(session)
    replica, is_told = _find_replica(session, now)
    is_replica = replica is not None or (not is_told and _is_read_only(session))
    oldest, unseen, has_left = _oldest_transaction(session, window_end)
    prepared, sees_prepared = _why_prepared(session)
    if has_left and not sees_prepared:
        prepared = "a transaction without a session is open, as one is that is prepared for two-phase commit"
    is_weak = is_replica or bool(unseen)
    over = window_end + timedelta(seconds=grace_seconds * (WEAK_GRACE_FACTOR if is_weak else 1))
    why_not = _why_not(now, oldest, over, replica) or prepared
    how = _how(over, unseen, is_replica=is_replica, sees_prepared=sees_prepared)
    return Closed(not why_not, now, how, why_not, is_weak, _grant(unseen))


def _now(session: MysqlSession) -> datetime:
    ((now,),) = session.run("SELECT UTC_TIMESTAMP(6)", _DOING)
    return _utc(now)


def _find_replica(session: MysqlSession, now: datetime) -> tuple[_Replica | None, bool]:
    """Return how far the replica has got, None where it is none; and whether that could be asked."""
    for statement in _REPLICA_STATUS:
        try:
            channels = session.run_named(statement, _DOING)
        except InputError:  # the right is missing, or this version has no such statement
            continue
        behind = [seconds_behind(channel) for channel in channels]
        if not behind:
            return None, True
        known = [seconds for seconds in behind if seconds is not None]
        if len(known) < len(behind):
            return _Replica(None), True
        until = now - timedelta(seconds=max(known) + _silent_seconds(session)) - _RESOLUTION
        if not follows_a_replica(channels):
            return _Replica(until), True
        written = _last_written(session)
        return _Replica(min(until, written) if written else None, follows=True), True
    return None, False


def _silent_seconds(session: MysqlSession) -> int:
    return max((int(seconds) for _, seconds in session.run(_SILENT, _DOING)), default=0)


def _last_written(session: MysqlSession) -> datetime | None:
    """Return when the server that wrote the last applied transaction committed it, over all channels."""
    try:
        found = [seconds for (seconds,) in session.run(_WRITTEN, _DOING)]
    except InputError:  # the right is missing, or the version does not show it
        return None
    return min((datetime.fromtimestamp(float(seconds or 0), UTC) for seconds in found), default=None)


def _is_read_only(session: MysqlSession) -> bool:
    ((is_read_only,),) = session.run("SELECT @@GLOBAL.read_only <> 'OFF' AND @@GLOBAL.read_only <> '0'", _DOING)
    return bool(is_read_only)


def _oldest_transaction(session: MysqlSession, window_end: datetime) -> tuple[datetime | None, str, bool]:
    """Return when the oldest open one of others began, at the latest; why some are not seen; and whether one has left.

    One that has left has no session any more.

    `trx_started` is a wall clock of the server's own zone. A transaction that we begin now shows that clock, so the
    zone need not be known; and if it is not listed itself, the list can't be seen.
    """
    session.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", _DOING)
    session.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", _DOING)
    try:
        found = _look_for_transactions(session, window_end)
    except InputError:  # the right is missing
        found = None, _NO_RIGHT, False
    session.run("ROLLBACK", _DOING)  # after any other error the session is gone, and its transaction with it
    return found


def _look_for_transactions(session: MysqlSession, window_end: datetime) -> tuple[datetime | None, str, bool]:
    now, moved = _now(session), _clock_moved(session, window_end)
    lists = 0
    for _ in range(_MOST_LOOKS):
        listed = _list_transactions(session)
        ours = [started for thread, started in listed or () if thread == session.connection_id]
        if listed and ours:
            others = [started for thread, started in listed if thread != session.connection_id]
            age = max((ours[0] - started for started in others), default=None)
            has_left = any(thread == 0 for thread, _ in listed)
            return (None if age is None else now - age - moved - _RESOLUTION), "", has_left
        lists += listed is not None
        if lists == _LOOKS:
            return None, _NO_RIGHT, False
        time.sleep(_CACHE_SECONDS)
    return None, _NO_LIST, False


def _list_transactions(session: MysqlSession) -> Sequence[tuple[Any, ...]] | None:
    """Return session and start of each; None where the server can't list them now."""
    try:
        return session.run(_TRANSACTIONS, _DOING)
    except InputError as error:
        if error.__cause__ is not None and error_number(error.__cause__) == _CANNOT_CONVERT:
            return None
        raise


def _clock_moved(session: MysqlSession, since: datetime) -> timedelta:
    """Return by how much the server's wall clock was set back since then, by the end of summer time."""
    then = f"TIMESTAMP'{since.astimezone(UTC):%Y-%m-%d %H:%M:%S}'"
    offsets = [f"TIMESTAMPDIFF(SECOND, {at}, CONVERT_TZ({at}, '+00:00', 'SYSTEM'))" for at in (then, "UTC_TIMESTAMP()")]
    ((before, after),) = session.run(f"SELECT {', '.join(offsets)}", _DOING)
    return timedelta(seconds=max(int(before or 0) - int(after or 0), 0))


def _why_prepared(session: MysqlSession) -> tuple[str, bool]:
    """Return a prepared transaction, and whether such may be seen."""
    try:
        why = why_prepared(lambda: {_spelled(data): " (XA RECOVER)" for *_, data in session.run("XA RECOVER", _DOING)})
    except SliceLostError:
        raise
    except PenstockError:  # the right is missing; MySQL has one error for this and for other things (1401)
        return "", False
    return why, True


def _spelled(name: bytes | str) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name


def _grant(unseen: str) -> str:
    granted = "GRANT PROCESS ON *.* TO the account of source.url; until then the grace is four times as long."
    return granted if unseen == _NO_RIGHT else ""


def _why_not(now: datetime, oldest: datetime | None, over: datetime, replica: _Replica | None) -> str:
    if now < over:
        return f"the database's clock says {now:%F %T} UTC, and the day counts as over from {over:%F %T} UTC on"
    if replica is not None and (replica.applied_until is None or replica.applied_until < over):
        until = f"{replica.applied_until:%F %T} UTC" if replica.applied_until else "nobody knows when"
        if replica.follows and not replica.applied_until:
            until += f" (it follows a replica; MySQL tells with SELECT on {_WORKERS})"
        return f"the replica has applied its primary's transactions until {until}, not until {over:%F %T} UTC"
    if oldest is not None and oldest < over:
        return f"a transaction that began at {oldest:%F %T} UTC is still open, and may yet write rows of the day"
    return ""


def _how(over: datetime, unseen: str, *, is_replica: bool, sees_prepared: bool) -> str:
    if is_replica:
        return (
            f"the replica has applied transactions later than {over:%F %T} UTC; its primary's open ones are not seen, "
            "nor are its prepared ones"
        )
    clock = f"the database's clock is past {over:%F %T} UTC"
    if not unseen:
        return f"{clock}, and no transaction from before is open or prepared"
    also = "" if sees_prepared else ", nor are prepared ones"
    return f"{clock}; open transactions are not seen{also} ({unseen})"


def _utc(told: object) -> datetime:
    assert isinstance(told, datetime)  # noqa: S101 - a clock has no NULL
    return told.replace(tzinfo=UTC)
