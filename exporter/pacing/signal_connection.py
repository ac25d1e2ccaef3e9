"""The connection that signals are read by: one of its own, read-only, that never waits long for an answer.

It is opened at the first look and again after an error, so that a server that was restarted is looked at again. No
transaction stays open on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from exporter.mysql.errors import translate_error as translate_mysql_error
from exporter.pacing.signals import Answer
from exporter.postgres.errors import translate_error as translate_postgres_error
from staging.errors import InputError, PenstockError, UnavailableError

_NOTHING = Answer((), ())
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 2
_FIX = "Look at `pacing.probe`, and at the rights of the user of source.url; docs/gentle.md says which."
_SILENCE_SECONDS = 5  # the server's own limit did not answer either: the network is gone


class SignalConnection:
    """Runs small statements; used by one thread at a time. Errors are InputError or UnavailableError."""

    def __init__(self, url: URL, dialect: str) -> None:
        self._url = url
        self._dialect = dialect
        driver, arguments, self._setup = _settings(url, dialect)
        self._engine = sqlalchemy.create_engine(
            driver, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=arguments
        )
        self._connection: Connection | None = None

    def ask(self, sql: str) -> Answer:
        """Run one statement and return all its rows."""
        try:
            connection = self._connection or self._open()
            result = connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
            return Answer(tuple(result.keys()), [tuple(row) for row in result]) if result.returns_rows else _NOTHING
        except (SQLAlchemyError, OSError) as exc:
            self.close()
            raise self._translate(exc) from exc

    def close(self) -> None:
        """Let go of the connection; the next look opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError, OSError):
                connection.invalidate()  # it may be dead, or stuck in a statement: nothing is said to it any more
                connection.close()

    def _open(self) -> Connection:
        connection = self._engine.connect()
        self._connection = connection
        for statement in self._setup:
            connection.exec_driver_sql(statement)
        return connection

    def _translate(self, error: BaseException) -> PenstockError:
        doing = "say how it is"
        match self._dialect:
            case "postgresql":
                found = translate_postgres_error(error, doing, self._url)
            case "mysql" | "mariadb":
                found = translate_mysql_error(error, doing, self._url)
            case other:
                found = InputError(f"{other} could not {doing}.", why=" ".join(str(error).split()))
        # What would help a read does not help here.
        passes = isinstance(found, UnavailableError)
        found.fix = f"Reading goes on when it answers, within {_ANSWER_SECONDS} s." if passes else _FIX
        return found


def _settings(url: URL, dialect: str) -> tuple[URL, dict[str, Any], Sequence[str]]:
    """Return the URL with its driver, what the driver is told, and the session's first statements."""
    match dialect:
        case "postgresql":
            arguments = {
                "connect_timeout": _CONNECT_SECONDS,
                "application_name": "penstock-pacing",
                "tcp_user_timeout": _SILENCE_SECONDS * 1000,
            }
            limits = (f"statement_timeout = '{_ANSWER_SECONDS}s'", f"lock_timeout = '{_ANSWER_SECONDS}s'")
            setup = [f"SET {limit}" for limit in (*limits, "default_transaction_read_only = on")]
            return url.set(drivername="postgresql+psycopg"), arguments, setup
        case "mysql" | "mariadb":
            arguments = {
                "connect_timeout": _CONNECT_SECONDS,
                "read_timeout": _SILENCE_SECONDS,
                "write_timeout": _SILENCE_SECONDS,
            }
            limit = (
                f"max_statement_time = {_ANSWER_SECONDS}"
                if dialect == "mariadb"
                else f"max_execution_time = {_ANSWER_SECONDS * 1000}"
            )
            setup = [f"SET SESSION {each}" for each in (limit, "lock_wait_timeout = 1", "TRANSACTION READ ONLY")]
            return url.set(drivername="mysql+pymysql"), arguments, setup
        case "sqlite":
            # Opened by the thread that waits before a snapshot, used by the one that reads; never by both at once.
            return url, {"check_same_thread": False, "timeout": _ANSWER_SECONDS}, ["PRAGMA query_only = ON"]
    return url, {}, []
