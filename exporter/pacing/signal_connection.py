"""The connection that signals are read by.

One of its own, read-only, that never waits long for an answer. It is opened at the first look and again after an error,
so that a server that was restarted is looked at again. No transaction stays open on it.
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
from exporter.port.source_errors import CONNECT
from exporter.postgres.errors import translate_error as translate_postgres_error
from staging.errors import InputError, PenstockError, UnavailableError

_NOTHING = Answer((), ())
_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 2
_FIX = "Look at `pacing.probe`, and at the rights of the user of source.url; `penstock help gentle` says which."
_SILENCE_SECONDS = 5  # the server's own limit did not answer either: the network is gone


class SignalConnection:
    """Runs small statements; used by one thread at a time.

    Errors are InputError or UnavailableError.
    """

    def __init__(self, url: URL, dialect: str) -> None:
        self._url = url
        self._dialect = dialect
        driver, options, self._setup = _plan(url, dialect)
        self._engine = sqlalchemy.create_engine(driver, poolclass=NullPool, isolation_level="AUTOCOMMIT", **options)
        self._connection: Connection | None = None

    def ask(self, sql: str) -> Answer:
        """Run one statement and return all its rows."""
        try:
            connection = self._connection or self._open()
            result = connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
            return Answer(tuple(result.keys()), [tuple(row) for row in result]) if result.returns_rows else _NOTHING
        except (SQLAlchemyError, OSError, RuntimeError, ValueError, TypeError) as exc:
            ours = self._translate(exc)
            self.close()
            raise ours from exc

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
        doing = "say how it is" if self._connection is not None else CONNECT
        match self._dialect:
            case "postgresql":
                found = translate_postgres_error(error, doing, self._url)
            case "mysql" | "mariadb":
                found = translate_mysql_error(error, doing, self._url)
            case other:
                found = InputError(f"{other} could not {doing}.", why=" ".join(str(error).split()))
        if isinstance(found, UnavailableError):
            found.fix = f"Reading goes on when it answers, within {_ANSWER_SECONDS} s."
        elif doing != CONNECT:  # what would help a read does not help here
            found.fix = _FIX
        return found


def _plan(url: URL, dialect: str) -> tuple[URL, dict[str, Any], Sequence[str]]:
    """Return the engine's URL and options, and the session's first statements; nothing connects yet."""
    match dialect:
        case "postgresql":
            return url.set(drivername="postgresql+psycopg", query={}), {"creator": lambda: _open_postgres(url)}, []
        case "mysql" | "mariadb":
            setup = ["SET SESSION TRANSACTION READ ONLY"]
            return url.set(drivername="mysql+pymysql", query={}), {"creator": lambda: _open_mysql(url, dialect)}, setup
        case "sqlite":
            # Opened by the thread that waits before a snapshot, used by the one that reads; never by both at once.
            arguments = {"check_same_thread": False, "timeout": _ANSWER_SECONDS}
            return url, {"connect_args": arguments}, ["PRAGMA query_only = ON"]
    return url, {}, []


def _open_postgres(url: URL) -> Any:  # noqa: ANN401 - what SQLAlchemy takes from a creator
    from databases.postgres import session  # noqa: PLC0415 - an image holds one driver
    from databases.postgres.url import connect_parameters  # noqa: PLC0415 - see above

    parameters = connect_parameters(url, "penstock-pacing")
    parameters |= {"connect_timeout": str(_CONNECT_SECONDS), "tcp_user_timeout": str(_SILENCE_SECONDS * 1000)}
    limit = f"{_ANSWER_SECONDS}s"
    settings = {"statement_timeout": limit, "lock_timeout": limit, "default_transaction_read_only": "on"}
    return session.open_session(parameters, settings)


def _open_mysql(url: URL, dialect: str) -> Any:  # noqa: ANN401 - see above
    from databases.mysql import session  # noqa: PLC0415 - see above
    from databases.mysql.url import driver_arguments  # noqa: PLC0415 - see above

    patience = {
        "connect_timeout": _CONNECT_SECONDS,
        "read_timeout": _SILENCE_SECONDS,
        "write_timeout": _SILENCE_SECONDS,
    }
    is_mariadb = dialect == "mariadb"
    limit = {"max_statement_time": _ANSWER_SECONDS} if is_mariadb else {"max_execution_time": _ANSWER_SECONDS * 1000}
    return session.open_session(driver_arguments(url) | patience, {**limit, "lock_wait_timeout": 1})
