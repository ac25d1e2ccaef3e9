"""Finds a pool that gives one session's server to others.

It does so before anything is set on it. pgbouncer in transaction mode is one (Supavisor, pgcat and Odyssey have such a
mode, too). What we set for a session would stay on the server's side of the pool and meet the shop's next transaction:
`default_transaction_read_only`.

* A server tells its process's number when the connection begins, and when asked. A pool invents the first one.
  So two numbers that are equal prove that there is no pool, for the price of one small statement.
* Behind a pool, a second connection begins and ends small transactions. If one of them runs on a server that the first
  connection has had, or the first one finds itself on another, the servers are shared. In session mode neither can be.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import psycopg

from databases.postgres.errors import POOLER
from staging.errors import InputError

_PID = b"SELECT pg_catalog.pg_backend_pid()"
_LOOKS = 64
"""Transactions of the second connection: by then a pool that takes turns has used all of its idle servers."""
_SECOND_SECONDS = "5"
"""How long the second connection may take; in session mode a pool may have no server left for it."""


def refuse_shared_session(connection: psycopg.Connection[tuple[object, ...]], parameters: Mapping[str, str]) -> None:
    """Raise InputError if the connection's server is shared with other clients.

    Sets nothing.
    """
    own = _pid(connection)
    if own == connection.info.backend_pid:
        return
    if _is_shared(connection, own, parameters):
        raise InputError(
            "Between here and PostgreSQL is a pool in transaction mode, such as pgbouncer's.",
            why="The server's process changes from one transaction to the next.",
            fix=POOLER,
        )


def _is_shared(connection: psycopg.Connection[tuple[object, ...]], own: int, parameters: Mapping[str, str]) -> bool:
    try:
        second = psycopg.connect(
            **{**parameters, "connect_timeout": _SECOND_SECONDS},  # type: ignore[arg-type] # libpq's own
            autocommit=True,
            prepare_threshold=None,
        )
    except psycopg.OperationalError:
        return False  # a pool that one session exhausts does not share it; the next connection says more
    with closing(second):
        for _ in range(_LOOKS):
            second.execute(b"BEGIN READ ONLY")
            other = _pid(second)
            second.execute(b"ROLLBACK")
            if other == own or _pid(connection) != own:
                return True
    return False


def _pid(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    row = connection.execute(_PID).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    return int(str(row[0]))
