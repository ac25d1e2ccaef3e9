"""PyMySQL's connection, which shows no half answer as a whole one.

If KILL QUERY or a time limit ends a statement over information_schema, MariaDB answers with what it had found so far,
and says so only in a warning (10.11: no column of a table that has four).
"""

from __future__ import annotations

import ssl
from typing import Any

from pymysql import connections, err

from databases.errors import Kind
from databases.mysql.errors import meaning_of_number

_INVALID_TEXT = 1300
_ENDED_EARLY = frozenset({Kind.INTERRUPTED, Kind.TOO_LONG})


class Connection(connections.Connection):  # type: ignore[misc] # PyMySQL ships no types
    """A connection whose answers are whole, or an error."""

    _result: Any

    def query(self, sql: str | bytes, unbuffered: bool = False) -> int:
        """Run a statement.

        OperationalError where its answer was ended early, DataError where a text in it is invalid.
        """
        try:
            affected = super().query(sql, unbuffered)
        except UnicodeDecodeError as exc:
            while not self._read_packet().is_eof_packet():  # the rest of the answer
                pass
            raise invalid_text(exc) from exc
        if not unbuffered:
            self.check_whole()
        return int(affected)

    def check_whole(self) -> None:
        """Raise OperationalError where the last answer was ended early.

        Call it when all of it has come.
        """
        result = self._result
        if result is None or not result.warning_count:
            return
        super().query("SHOW WARNINGS")
        warnings = self._result.rows or ()
        self._result = result
        for _, number, text in warnings:
            if meaning_of_number(int(number), is_mariadb="mariadb" in self.server_version.lower()).kind in _ENDED_EARLY:
                raise err.OperationalError(int(number), text)

    def _create_ssl_ctx(self, sslp: Any) -> ssl.SSLContext:  # noqa: ANN401 - see above
        """Make a context; read a list of authorities only if one is asked for."""
        # That list takes longer to read (50 ms) than all else that a connection costs.
        context: ssl.SSLContext = super()._create_ssl_ctx(sslp or trust_any())
        return context


def invalid_text(error: UnicodeDecodeError) -> err.DataError:
    """Return the error of a text that is not UTF-8.

    MariaDB takes halves of a surrogate pair for characters.
    """
    return err.DataError(_INVALID_TEXT, f"Invalid utf8mb4 character string: '{error.object[error.start :][:6].hex()}'")


def trust_any() -> ssl.SSLContext:
    """Return a context that encrypts and checks no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
