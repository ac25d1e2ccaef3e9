"""SQLite by Python's own module.

The loader needs the right to write the file and its folder (SQLite puts its journal there). One writer at a time: a
loader that is frozen inside its transaction holds the file until it continues or ends; no server ends it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import polars as pl

from loader.sqlite.catalogue import find_table
from loader.sqlite.errors import is_busy, translate_error
from loader.sqlite.sql import SUM, ExactSum, SqliteSql
from loader.target.database import Database
from loader.target.missing_file import Missing, plan_sqlite_uri
from loader.target.row_text import plain_text
from loader.target.sql import Staged
from loader.target.table import Column, Table
from loader.target.url import DatabaseUrl
from staging.config.pipeline import LoadConfig
from staging.errors import InputError, PenstockError, UnavailableError

_OLDEST = (3, 37)  # pragma_table_list tells STRICT tables; UPDATE … FROM is older
_BUSY_SECONDS = 0.05
_STAGED = "penstock_staged"
_AS_TEXT = (pl.UInt64, pl.Int128, pl.UInt128)  # sqlite3 binds no integer above 2^63 - 1

T = TypeVar("T")


class SqliteDatabase(Database):
    """One connection to an SQLite file."""

    name = "SQLite"

    def __init__(self, url: DatabaseUrl, patience: LoadConfig, *, missing: Missing = "refuse") -> None:
        self.sql = SqliteSql()
        self._patience = patience
        self._interrupted = threading.Event()
        if sqlite3.sqlite_version_info < _OLDEST:
            raise InputError(
                f"SQLite {sqlite3.sqlite_version} is too old.", why="The loader needs 3.37.", fix="Use a newer Python."
            )
        with self._translated():
            self._connection = sqlite3.connect(
                plan_sqlite_uri(url.path, missing),
                uri=True,
                isolation_level=None,
                timeout=_BUSY_SECONDS,
                check_same_thread=False,
            )
        self._connection.create_aggregate(SUM, 1, ExactSum)  # type: ignore[arg-type] # typeshed wants finalize() -> int
        try:
            for pragma in ("synchronous = FULL", "cache_size = -65536", "temp_store = FILE"):
                self.execute(f"PRAGMA {pragma}")
        except PenstockError:
            self.close()
            raise

    def execute(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement."""
        return self._patiently(lambda: self._connection.execute(statement, values).rowcount)

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; return all its rows."""
        return self._patiently(lambda: self._connection.execute(statement, values).fetchall())

    def begin(self) -> None:
        """Begin, with the file's write lock in hand."""
        self.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Commit; readers may have to end first."""
        self.execute("COMMIT")

    def rollback(self) -> None:
        """Roll back."""
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def find_table(self, schema: str | None, name: str) -> Table | None:
        """Return what the schema says of a table, or None."""
        return find_table(self.query, schema, name)

    def create_staged(self, target: Table, key: Sequence[Column], values: Sequence[Column]) -> Staged:
        """Create the temporary table with the target's affinities.

        Its key has the target's collations.
        """
        staged = Staged(self.sql.qualified("temp", _STAGED), target, tuple(key), tuple(values))
        columns = [
            f"{self.sql.quote(column.name)} {column.affinity}"
            f"{f' COLLATE {self.sql.quote(column.collation)}' if column.collation else ''} NOT NULL"
            for column in key
        ]
        columns += [f"{self.sql.quote(column.name)} {column.affinity}" for column in values]
        self.execute(f"DROP TABLE IF EXISTS {staged.name}")
        columns.append(f"PRIMARY KEY ({self.sql.key_list(staged)})")
        self.execute(f"CREATE TABLE {staged.name} ({', '.join(columns)}) WITHOUT ROWID")
        return staged

    def append_staged(self, staged: Staged, rows: pl.DataFrame, text: bytes) -> None:  # noqa: ARG002 - SQLite reads no text
        """Insert the rows."""
        names = ", ".join(self.sql.quote(column.name) for column in staged.columns)
        marks = ", ".join("?" for _ in staged.columns)
        bound = rows.select(_bound(rows.get_column(name)) for name in rows.columns).rows()
        statement = f"INSERT INTO {staged.name} ({names}) VALUES ({marks})"
        self.execute("BEGIN")  # of the temporary file alone; without it every row is a transaction
        try:
            self._patiently(lambda: self._connection.executemany(statement, bound))
            self.execute("COMMIT")
        except BaseException:
            self.rollback()
            raise

    def finish_staged(self, staged: Staged) -> None:
        """Do nothing: nothing makes SQLite's joins quicker."""

    def interrupt(self) -> None:
        """Stop what is running, and waiting for a lock."""
        self._interrupted.set()
        with contextlib.suppress(sqlite3.Error):
            self._connection.interrupt()

    def close(self) -> None:
        """Close."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def _patiently(self, run: Callable[[], T]) -> T:
        """Run, and wait for others' locks as long as the pipeline says; SQLite's own waiting can't be interrupted."""
        deadline = time.monotonic() + self._patience.lock_timeout_seconds
        while True:
            if self._interrupted.is_set():
                raise UnavailableError("The load was interrupted.")
            try:
                with self._translated():
                    return run()
            except UnavailableError as error:
                cause = error.__cause__
                if not (isinstance(cause, sqlite3.Error) and is_busy(cause)) or time.monotonic() > deadline:
                    raise

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            raise translate_error(exc) from exc
        except OverflowError as exc:
            raise InputError(
                "SQLite can't hold an integer of the day.", why=str(exc), fix="Declare the column TEXT."
            ) from exc


def _bound(column: pl.Series) -> pl.Series:
    """Return what sqlite3 binds exactly: decimals and times as text."""
    if column.dtype == pl.Binary:
        return column
    if isinstance(column.dtype, pl.Decimal) or column.dtype in _AS_TEXT:
        return column.cast(pl.String)
    plain = plain_text(column)
    return plain.cast(pl.String) if plain.dtype == pl.Date else plain
