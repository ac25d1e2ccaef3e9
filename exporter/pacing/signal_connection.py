"""The connection that signals are read by.

One of its own, read-only, that never waits long for an answer. It is opened at the first look and again after an error,
so that a server that was restarted is looked at again. No transaction stays open on it.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from exporter.mysql.errors import translate_error as translate_mysql_error
from exporter.pacing.promise.first_look import MOST_ROWS
from exporter.pacing.promise.prober import ANSWER_SECONDS
from exporter.pacing.signals import Answer
from exporter.port.source_errors import CONNECT
from exporter.postgres.errors import translate_error as translate_postgres_error
from staging.errors import InputError, PenstockError, UnavailableError

_NOTHING = Answer((), ())
_CONNECT_SECONDS = 5
_SILENCE_SECONDS = 5  # the server's own limit did not answer either: the network is gone


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a connection is for.

    Its name for the server, the key of the user's statement if there is one, how long it waits for an answer, and how
    many rows MySQL and MariaDB give at most.
    """

    name: str
    key: str
    answer_seconds: int
    most_rows: int | None = None


SIGNALS = Purpose("penstock-pacing", "pacing.probe", 2)
PROBES = Purpose("penstock-probe", "pacing.latency_probe", ANSWER_SECONDS, MOST_ROWS + 1)


class SignalConnection:
    """Runs small statements; used by one thread at a time.

    Errors are InputError or UnavailableError.
    """

    def __init__(self, url: URL, dialect: str, purpose: Purpose = SIGNALS) -> None:
        self._url = url
        self._dialect = dialect
        self._purpose = purpose
        driver, options, self._setup = _plan(url, dialect, purpose)
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

    def interrupt(self) -> None:
        """End the statement that another thread waits for.

        Its server ends it by the time limit at the latest.
        """
        connection = self._connection
        if connection is None:
            return
        with suppress(SQLAlchemyError, OSError, AttributeError):  # it has ended meanwhile
            driver: Any = connection.connection.dbapi_connection
            match self._dialect:
                case "postgresql":
                    driver.cancel_safe(timeout=self._purpose.answer_seconds)
                case "mysql" | "mariadb":
                    driver._sock.shutdown(socket.SHUT_RDWR)
                case "sqlite":
                    driver.interrupt()

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
            found.fix = f"Reading goes on when it answers, within {self._purpose.answer_seconds} s."
        elif doing != CONNECT:  # what would help a read does not help here
            found.fix = (
                f"Look at `{self._purpose.key}`, and at the rights of the user of source.url; "
                "`penstock help gentle` says which."
            )
        return found


def _plan(url: URL, dialect: str, purpose: Purpose) -> tuple[URL, dict[str, Any], Sequence[str]]:
    """Return the engine's URL and options, and the session's first statements; nothing connects yet."""
    match dialect:
        case "postgresql":
            return (
                url.set(drivername="postgresql+psycopg", query={}),
                {"creator": lambda: _open_postgres(url, purpose)},
                [],
            )
        case "mysql" | "mariadb":
            setup = ["SET SESSION TRANSACTION READ ONLY"]
            return (
                url.set(drivername="mysql+pymysql", query={}),
                {"creator": lambda: _open_mysql(url, dialect, purpose)},
                setup,
            )
        case "sqlite":
            # Opened by the thread that waits before a snapshot, used by the one that reads; never by both at once.
            arguments = {"check_same_thread": False, "timeout": purpose.answer_seconds}
            return url, {"connect_args": arguments}, ["PRAGMA query_only = ON"]
    return url, {}, []


def _open_postgres(url: URL, purpose: Purpose) -> Any:  # noqa: ANN401 - what SQLAlchemy takes from a creator
    from databases.postgres import session  # noqa: PLC0415 - an image holds one driver
    from databases.postgres.url import connect_parameters  # noqa: PLC0415 - see above

    parameters = connect_parameters(url, purpose.name)
    parameters |= {"connect_timeout": str(_CONNECT_SECONDS), "tcp_user_timeout": str(_SILENCE_SECONDS * 1000)}
    limit = f"{purpose.answer_seconds}s"
    settings = {"statement_timeout": limit, "lock_timeout": limit, "default_transaction_read_only": "on"}
    return session.open_session(parameters, settings)


def _open_mysql(url: URL, dialect: str, purpose: Purpose) -> Any:  # noqa: ANN401 - see above
    from databases.mysql import session  # noqa: PLC0415 - see above
    from databases.mysql.url import driver_arguments  # noqa: PLC0415 - see above

    patience = {
        "connect_timeout": _CONNECT_SECONDS,
        "read_timeout": _SILENCE_SECONDS,
        "write_timeout": _SILENCE_SECONDS,
    }
    seconds = purpose.answer_seconds
    limit = {"max_statement_time": seconds} if dialect == "mariadb" else {"max_execution_time": seconds * 1000}
    if purpose.most_rows is not None:
        limit |= {"sql_select_limit": purpose.most_rows}
    # MariaDB's query cache would answer sooner than any visitor of the shop gets an answer.
    return session.open_session(
        driver_arguments(url) | patience, {**limit, "lock_wait_timeout": 1, "query_cache_type": "OFF"}
    )
