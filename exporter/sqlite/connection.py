"""Connects to a SQLite file: rows by ADBC, the catalogue by sqlite3.

ADBC takes a column's type from the first rows it sees, and NULLs first make it an integer. So a statement that is
streamed begins with a row of the table's own that has a value of the right type in each column; it is dropped here.

SQLite takes any bytes for a text, and hands them on. They would make a shard that nobody can read, so each batch is
checked.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import adbc_driver_sqlite
import polars as pl
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from databases.sqlite.errors import meaning_of
from databases.sqlite.url import find_path
from exporter.port.adbc import DRIVER_ERRORS, AdbcSession
from exporter.port.catalogue import Catalogue
from exporter.port.columns import FIX_ROW
from exporter.port.probes import NEVER_CHANGED
from exporter.port.source_errors import source_error
from staging.errors import InputError, PenstockError

_BUSY_SECONDS = 5
_BATCH_ROWS = 65_536
_SHOWN_BYTES = 30


class SqliteConnection:
    """Two connections to one file."""

    def __init__(self, url: URL) -> None:
        self.path = _find_file(url)
        uri = f"file:{quote(str(self.path))}?mode=ro"
        self.is_abandoned = False
        self.catalogue = Catalogue(
            URL.create("sqlite"),
            self.translate,
            connect=lambda: sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS),
        )
        try:
            self._session = AdbcSession(adbc_driver_sqlite.connect(uri))
            self._streaming = self._session.statement({"adbc.sqlite.query.batch_rows": str(_BATCH_ROWS)})
            self._plain = self._session.statement({})
        except DRIVER_ERRORS as exc:
            self.catalogue.close()
            raise self.translate(exc, "open the file") from exc
        try:
            self.run(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}", "set up the session")
            ((self.server_version,),) = self.run("SELECT sqlite_version()", "ask for its version")
        except PenstockError:
            self.close()
            raise

    def translate(self, error: BaseException, doing: str) -> PenstockError:
        """Return UnavailableError for what may pass, InputError for the rest."""
        original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        ours = source_error(meaning_of(original), "SQLite", doing, why=" ".join(str(original).split()))
        ours.fix = f"{ours.fix} The file is {self.path}.".strip()
        return ours

    def run(self, sql: str, doing: str) -> Sequence[tuple[Any, ...]]:
        """Run a small statement on the reading connection."""
        try:
            found = self._plain.fetch(sql)
        except DRIVER_ERRORS as exc:
            raise self.translate(exc, doing) from exc
        _check_texts(found, found.columns)
        return found.rows()

    def stream(self, sql: str, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Run a statement and give its batches, without their very first row.

        `columns` are people's names for the statement's columns.
        """
        try:
            for number, frame in enumerate(self._streaming.stream(sql)):
                _check_texts(frame, columns)
                yield frame.slice(1) if number == 0 else frame
        except DRIVER_ERRORS as exc:
            raise self.translate(exc, "read the day") from exc

    def close(self) -> None:
        """Close both connections."""
        if self.is_abandoned:
            return
        self._session.close()
        self.catalogue.close()


def _find_file(url: URL) -> Path:
    path = find_path(url)
    if not path.is_file():
        raise InputError(f"There is no file {path}.", why="source.url names it.", fix="Look at source.url.")
    return path


def _check_texts(frame: pl.DataFrame, columns: Sequence[str]) -> None:
    """Raise InputError that names a column with bytes that are not UTF-8.

    `columns` are people's names for the frame's columns, in their order.
    """
    for name, values in zip(columns, frame.get_columns(), strict=True):
        if values.dtype != pl.String:
            continue
        taken = values.cast(pl.Binary)
        try:
            taken.cast(pl.String)
        except pl.exceptions.PolarsError:
            first = next(value for value in taken if value is not None and not _is_utf8(value))
            raise InputError(
                f"Column {name} holds the text X'{first[:_SHOWN_BYTES].hex().upper()}', which is no UTF-8.",
                why=NEVER_CHANGED,
                fix=FIX_ROW,
            ) from None


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
