"""The one connection of a sliced read on MySQL.

Also on MariaDB. Guarded, in autocommit, every answer fetched whole. By pymysql: a slice comes as one text (see
`row_text`), so that nothing is decoded in Python row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pymysql
from sqlalchemy.engine import URL

from databases.errors import Kind
from databases.mysql.session import CONNECT_ERRORS, open_session
from databases.mysql.url import driver_arguments
from exporter.mysql.errors import kind_of, translate_error
from exporter.mysql.row_text import longest_text_bytes
from exporter.port.sliced_source import (
    LOCK_TIMEOUT_SECONDS,
    SLICE_TIMEOUT_SECONDS,
    SliceLostError,
    SliceTooLongError,
)
from staging.errors import PenstockError

_ANSWER_SECONDS = 30
"""How long the client waits for bytes; the server has ended the statement long before."""

_LOST = frozenset({Kind.LOST, Kind.UNREACHABLE, Kind.INTERRUPTED})

DRIVER_ERRORS = (pymysql.Error, OSError)


class MysqlSession:
    """A read-only connection in UTC whose statements the server ends after `SLICE_TIMEOUT_SECONDS`."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._sql_mode: str | None = None
        self.set_too: list[str] = []
        self.connection_id = 0
        self.longest_text_bytes = 0
        self._ended_by: PenstockError | None = None
        self._connection = self._connect()

    def run(self, sql: str, doing: str) -> Sequence[tuple[Any, ...]]:
        """Run a statement and return its rows; SliceLostError, SliceTooLongError, UnavailableError or InputError."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql)
                return [tuple(row) for row in cursor.fetchall()]
        except DRIVER_ERRORS as exc:
            raise self._translate(exc, doing) from exc

    def run_named(self, sql: str, doing: str) -> Sequence[Mapping[str, Any]]:
        """Run a statement whose columns differ from version to version.

        Names in lower case.
        """
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql)
                names = [column[0].lower() for column in cursor.description or ()]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        except DRIVER_ERRORS as exc:
            raise self._translate(exc, doing) from exc

    def set_also(self, setting: str) -> None:
        """Set something for the session, and for those that follow it."""
        self.run(f"SET SESSION {setting}", "set up the session")
        self.set_too.append(setting)

    def reconnect(self) -> None:
        """Connect again, with the same guards."""
        self.close()
        self._connection = self._connect()
        self._ended_by = None

    def close(self) -> None:
        """Close the connection.

        The server ends what it still runs when it sees that.
        """
        self._connection._force_close()  # close() would wait to say COM_QUIT behind an unread answer

    def _connect(self) -> Any:  # noqa: ANN401 - pymysql ships no types
        timeouts = {"read_timeout": _ANSWER_SECONDS, "write_timeout": _ANSWER_SECONDS}
        arguments = timeouts | driver_arguments(self._url)
        # A server's setting that changes meanwhile changes no text.
        settings = {} if self._sql_mode is None else {"sql_mode": self._sql_mode}
        try:
            connection = open_session(arguments, settings)
            with connection.cursor() as cursor:
                self._guard(cursor)
        except CONNECT_ERRORS as exc:
            raise translate_error(exc, "connect", self._url) from exc
        return connection

    def _guard(self, cursor: Any) -> None:  # noqa: ANN401 - see above
        cursor.execute("SELECT CONNECTION_ID(), @@max_allowed_packet, @@sql_mode, VERSION()")
        ((self.connection_id, packet_bytes, sql_mode, version),) = cursor.fetchall()
        if self._sql_mode is None:
            self._sql_mode = sql_mode
        limit = (
            f"max_statement_time = {SLICE_TIMEOUT_SECONDS}"
            if "mariadb" in version.lower()
            else f"max_execution_time = {SLICE_TIMEOUT_SECONDS * 1000}"
        )
        self.longest_text_bytes = longest_text_bytes(packet_bytes)
        for setting in (
            limit,
            f"lock_wait_timeout = {LOCK_TIMEOUT_SECONDS}",
            f"innodb_lock_wait_timeout = {LOCK_TIMEOUT_SECONDS}",
            f"group_concat_max_len = {self.longest_text_bytes}",
            *self.set_too,
            "TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY",
        ):
            cursor.execute(f"SET SESSION {setting}")

    def _translate(self, error: BaseException, doing: str) -> PenstockError:
        kind = kind_of(error)
        ours = translate_error(error, doing, self._url)
        if kind is Kind.TOO_LONG:
            return SliceTooLongError(
                ours.what, why=ours.why, fix="Look at what keeps the server so busy, then run again."
            )
        if kind in _LOST or isinstance(error, OSError | pymysql.InterfaceError):
            with suppress(*DRIVER_ERRORS):
                self._connection._force_close()  # half an answer may still lie in it
            # Of a connection that we closed the driver says no more than "(0, '')".
            self._ended_by = self._ended_by or ours
            return SliceLostError(ours.what, why=self._ended_by.why, fix=self._ended_by.fix)
        return ours
