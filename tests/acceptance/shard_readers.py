"""Two readers of Parquet that share nothing with polars: pyarrow and DuckDB."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from tests.acceptance.oracle import Key

ShardRow = tuple[Key, datetime, Decimal]


def read_with_pyarrow(paths: list[Path]) -> list[ShardRow]:
    """Return (key, instant, amount) of each row, sorted. A shard's columns are key, time, amount, in this order."""
    rows: list[ShardRow] = []
    for path in paths:
        columns = [column.to_pylist() for column in pq.read_table(path).columns]
        rows += [(key, at.astimezone(UTC), amount) for key, at, amount in zip(*columns, strict=True)]
    return sorted(rows)


def read_with_duckdb(paths: list[Path]) -> list[ShardRow]:
    """Return the same, by DuckDB; instants as microseconds since 1970, for its own dates depend on its time zone."""
    if not paths:
        return []
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        names = [row[0] for row in connection.execute("DESCRIBE FROM read_parquet(?)", [[str(paths[0])]]).fetchall()]
        key, at, amount = ('"' + name.replace('"', '""') + '"' for name in names)
        rows = connection.execute(
            f"SELECT {key}, epoch_us({at}), {amount} FROM read_parquet(?)", [[str(path) for path in paths]]
        ).fetchall()
    return sorted((key, _instant(micros), Decimal(amount)) for key, micros, amount in rows)


def _instant(micros: int) -> datetime:
    return datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
