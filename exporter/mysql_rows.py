"""The port between a MySQL snapshot and what fetches its rows: ODBC where its driver is, pymysql where not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import polars as pl

from exporter.source import Statement


class RowReader(Protocol):
    """One connection. Errors are InputError or UnavailableError."""

    reader: str
    by_odbc: bool

    def run(self, sql: str, doing: str) -> Sequence[tuple[Any, ...]]:
        """Run a small statement."""
        ...

    def stream(self, sql: str, statement: Statement, *, longest_value_bytes: int) -> Iterator[pl.DataFrame]:
        """Run `sql`, the statement or a part of it, and give its batches as c0, c1 and so on."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...
