"""Reads a snapshot of MySQL or MariaDB by pymysql.

Rows come as text (see `row_text`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pymysql
from sqlalchemy.engine import URL

from databases.mysql.driver import invalid_text
from databases.mysql.session import CONNECT_ERRORS, open_session
from databases.mysql.url import driver_arguments
from exporter.mysql.errors import translate_error

_BATCH_ROWS = 20_000


class MysqlConnection:
    """One connection in autocommit, used by one thread at a time.

    Errors are InputError or UnavailableError.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        arguments = driver_arguments(url)
        try:
            self._driver: Any = open_session(arguments, {})
        except CONNECT_ERRORS as exc:
            raise translate_error(exc, "connect", url) from exc

    def run(self, sql: str, doing: str) -> Sequence[tuple[Any, ...]]:
        """Run a statement and fetch all of it."""
        try:
            with self._driver.cursor() as cursor:
                cursor.execute(sql)
                return [tuple(row) for row in cursor.fetchall()]
        except pymysql.Error as exc:
            raise translate_error(exc, doing, self._url) from exc

    def stream(self, sql: str, doing: str) -> Iterator[Sequence[tuple[Any, ...]]]:
        """Run a statement and yield its rows as they come.

        Some ten thousand at a time.
        """
        cursor = pymysql.cursors.SSCursor(self._driver)
        try:
            cursor.execute(sql)
            while rows := cursor.fetchmany(_BATCH_ROWS):
                yield rows
            self._driver.check_whole()
        except UnicodeDecodeError as exc:
            cursor._result.unbuffered_active = False  # the rest is not read
            self.close()
            raise translate_error(invalid_text(exc), doing, self._url) from exc
        except pymysql.Error as exc:
            raise translate_error(exc, doing, self._url) from exc

    def close(self) -> None:
        """Close the connection without reading the rest of a result."""
        self._driver._force_close()  # close() would send COM_QUIT behind an unread result
