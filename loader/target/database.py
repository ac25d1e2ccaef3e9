"""The port to a target database.

One connection, its temporary table, one transaction at a time. Adapters: `loader.postgres.database`,
`loader.mysql.database`, `loader.sqlite.database`. Driver errors end there and become the project's own: ContendedError
and ConnectionLostError (`loader.target.errors`) may be tried again, all others are final.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import polars as pl

from loader.target.sql import SqlText, Staged
from loader.target.table import Column, Table


class Database(ABC):
    """One connection in autocommit, in UTC, with bounded waits.

    Not for two threads, but for `interrupt`.
    """

    name: str
    """As people say it: PostgreSQL, MariaDB, MySQL, SQLite."""
    sql: SqlText

    def describe_connection(self) -> str:
        """Say how the server was reached.

        Its encryption, whether the certificate was checked, which host.
        """
        return "a file"

    @abstractmethod
    def execute(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""

    @abstractmethod
    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; return all its rows."""

    @abstractmethod
    def begin(self) -> None:
        """Begin a READ COMMITTED transaction.

        The server ends it by itself when we fall silent in it.
        """

    def run_deferred(self) -> None:  # noqa: B027 - most databases put nothing off
        """Run deferred triggers and constraints now.

        They would wait for COMMIT; so what they do can be looked at.
        """

    @abstractmethod
    def commit(self) -> None:
        """Commit; ConnectionLostError means that nobody knows whether it did."""

    @abstractmethod
    def rollback(self) -> None:
        """Roll back; a connection that is gone has done so already."""

    @abstractmethod
    def find_table(self, schema: str | None, name: str) -> Table | None:
        """Return what the catalogue says of a table, or None.

        `schema` None: where the connection looks first.
        """

    @abstractmethod
    def create_staged(self, target: Table, key: Sequence[Column], values: Sequence[Column]) -> Staged:
        """Create the empty temporary table, with the target's own column types.

        An older one is dropped.
        """

    @abstractmethod
    def append_staged(self, staged: Staged, rows: pl.DataFrame, text: bytes) -> None:
        """Load rows in bulk.

        `text` is the same rows as `loader.target.row_text` writes them.
        """

    @abstractmethod
    def finish_staged(self, staged: Staged) -> None:
        """Do what makes the joins with the target quick."""

    @abstractmethod
    def interrupt(self) -> None:
        """Make a statement that is running fail soon.

        From another thread; never raises.
        """

    @abstractmethod
    def close(self) -> None:
        """Close; never raises."""
