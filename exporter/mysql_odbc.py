"""Rows of MySQL and MariaDB by arrow-odbc and MariaDB's ODBC driver.

Driver versions before 3.1.17 (Debian 12 has 3.1.15) hold a statement's whole result in the client, so `mysql_pieces`
cuts a long statement; later ones stream because of NO_CACHE and FORWARDONLY.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import arrow_odbc
import polars as pl
from sqlalchemy.engine import URL

from exporter.mysql_errors import translate_error
from exporter.source import Statement
from staging.errors import InputError

_BATCH_ROWS = 65_535
_BATCH_BYTES = 16 * 1024 * 1024
_SMALL_TEXT_BYTES = 256 * 1024  # EXPLAIN names up to 8,192 partitions in one value
_LOGIN_SECONDS = 10
_INI_FILES = (Path("/etc/odbcinst.ini"), Path("/usr/local/etc/odbcinst.ini"), Path("~/.odbcinst.ini").expanduser())
_OPTIONS = {"ssl_ca": "SSLCA", "ssl_cert": "SSLCERT", "ssl_key": "SSLKEY", "unix_socket": "SOCKET", "charset": None}


def find_odbc_driver(places: Sequence[Path] = _INI_FILES) -> str | None:
    """Return the name of MariaDB's ODBC driver in unixODBC's list of drivers, None where it is not installed."""
    for place in places:
        drivers = configparser.ConfigParser(strict=False, interpolation=None)
        try:
            drivers.read(place, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        for name in drivers.sections():
            if "mariadb" in name.lower() and _is_there(drivers[name].get("Driver", "")):
                return name
    return None


def _is_there(library: str) -> bool:
    # A bare file name is looked up by the dynamic linker.
    return bool(library) and ("/" not in library or Path(library).exists())


def odbc_options(url: URL) -> dict[str, str] | None:
    """Return the URL's options as the driver calls them; None where it has no such option."""
    if any(name not in _OPTIONS for name in url.query):
        return None
    return {str(_OPTIONS[name]): str(value) for name, value in url.query.items() if _OPTIONS[name]}


class OdbcRows:
    """A connection that arrow-odbc reads."""

    reader = "arrow-odbc"
    by_odbc = True

    def __init__(self, url: URL, driver: str, options: dict[str, str]) -> None:
        self._url = url
        settings = {
            "Driver": driver,
            "Server": url.host or "localhost",
            "Port": str(url.port or 3306),
            "Database": url.database or "",
            "CHARSET": "utf8mb4",
            "NO_CACHE": "1",
            "FORWARDONLY": "1",
            **options,
        }
        try:
            self._connection: arrow_odbc.Connection | None = arrow_odbc.connect(
                "".join(f"{name}={_braced(value)};" for name, value in settings.items()),
                user=url.username,
                password=url.password and str(url.password),
                login_timeout_sec=_LOGIN_SECONDS,
                autocommit=True,
            )
        except arrow_odbc.Error as exc:
            raise translate_error(exc, "connect", url) from exc

    def run(self, sql: str, doing: str) -> Sequence[tuple[Any, ...]]:
        """Run a small statement, whose texts have at most 256 kB."""
        try:
            batches = self._batches(sql, _SMALL_TEXT_BYTES)
            return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]
        except arrow_odbc.Error as exc:
            raise translate_error(exc, doing, self._url) from exc

    def stream(self, sql: str, statement: Statement, *, longest_value_bytes: int) -> Iterator[pl.DataFrame]:
        """Run a statement and give its batches."""
        del statement
        try:
            for batch in self._batches(sql, longest_value_bytes):
                yield pl.DataFrame(pl.from_arrow(batch))
        except arrow_odbc.Error as exc:
            raise translate_error(exc, "read the day", self._url) from exc

    def close(self) -> None:
        """Let go of the connection."""
        self._connection = None

    def _batches(self, sql: str, longest_value_bytes: int) -> arrow_odbc.BatchReader:
        if self._connection is None:
            raise InputError("The connection is closed.")
        return self._connection.read_arrow_batches(
            sql,
            batch_size=_BATCH_ROWS,
            max_bytes_per_batch=max(_BATCH_BYTES, 2 * longest_value_bytes),
            max_text_size=longest_value_bytes,
            max_binary_size=longest_value_bytes,
        )


def _braced(value: str) -> str:
    return "{" + value.replace("}", "}}") + "}"
