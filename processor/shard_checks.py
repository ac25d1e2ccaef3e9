"""Counts a shard while the transform reads it.

The same scan feeds both, so the checks cost little.

* rows and exact control sums must equal the manifest's, which the exporter counted while it read the database;
* no NULL in a column that has none, no row outside the day. Parquet's own statistics answer these two without
  unpacking (polars skips row groups that can't match); where they can't, the rows are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from processor.assignment import INSTANT, Assignment
from staging.columns.shard_function import BY_FILE
from staging.control_sums import format_minor_units, parse_money, scale_of
from staging.documents.manifest import Column, Shard, TableExport
from staging.errors import IntegrityError
from staging.polars_errors import POLARS_ERRORS
from staging.sharding import shard_of
from staging.window import Window

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ShardCounts:
    """What the shard holds.

    Rows, and exact sums in minor units of each column.
    """

    rows: int
    sums: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ShardChecks:
    """Frames to run, and what they must say."""

    shard: Shard
    of: str
    schema: pl.Schema
    rows: pl.LazyFrame
    sums_of: tuple[str, ...]
    counted: pl.LazyFrame
    faults: Mapping[str, pl.Expr]

    def frames(self) -> list[pl.LazyFrame]:
        """Rows and sums, and how many rows have any fault.

        Give the results to `verify` in this order.
        """
        return [self.counted, self.rows.filter(pl.any_horizontal(self.faults.values())).select(pl.len())]

    def verify(self, results: Sequence[pl.DataFrame]) -> ShardCounts:
        """Return what was counted.

        IntegrityError when it is not what the manifest says.
        """
        rows, *sums = results[0].row(0)
        counts = ShardCounts(rows, dict(zip(self.sums_of, sums, strict=True)))
        faults = [f"{rows} rows instead of {self.shard.rows}"] if rows != self.shard.rows else []
        for column, text in self.shard.sums.items():
            scale = scale_of(self.schema[column])
            if counts.sums[column] != parse_money(text, scale):
                faults.append(f"{column} sums to {format_minor_units(counts.sums[column], scale)} instead of {text}")
        if faults or results[1].item():
            raise self._unlike([*faults, *self._count_faults(self.faults)])
        return counts

    def verify_alone(self, strays: pl.Expr) -> None:
        """Run the checks without a transform, and one more.

        That one would cost too much each time.
        """
        try:
            self.verify(pl.collect_all(self.frames(), engine="streaming"))
            faults = self._count_faults({"a key of another shard": strays})
        except POLARS_ERRORS as exc:
            raise self._unlike([f"it can't be read: {exc}"]) from exc
        if faults:
            raise self._unlike(faults)

    def _count_faults(self, faults: Mapping[str, pl.Expr]) -> list[str]:
        counted = [self.rows.filter(fault).select(pl.len()) for fault in faults.values()]
        found = zip(faults, pl.collect_all(counted, engine="streaming"), strict=True)
        return [f"{count.item()} rows have {what}" for what, count in found if count.item()]

    def _unlike(self, faults: Sequence[str]) -> IntegrityError:
        return IntegrityError(
            f"Shard {self.shard.shard}{self.of} is not what its manifest says.",
            why="; ".join(faults),
            fix="Read the day again with penstock run --fresh-export, and report it: the exporter wrote both.",
        )


def plan_checks(work: Assignment, rows: pl.LazyFrame, shared: pl.LazyFrame, shard: Shard) -> ShardChecks:
    """Return the checks of one shard.

    Of the manifest's control sums and of those that the transform is to conserve. `shared` is what the transform reads,
    `rows` the shard itself.
    """
    day = work.day
    conserved = [
        term.column
        for source in work.contract.conserves.values()
        for term in day.conserved_sum(source).terms
        if term.table is None
    ]
    sums_of = tuple(dict.fromkeys([*shard.sums, *conserved]))
    exact = [_minor_units(column, day.schema[column]).alias(f"sum {column}") for column in sums_of]
    faults = _find_faults(work.manifest.columns, day.key_columns, day.time, day.window)
    return ShardChecks(shard, "", day.schema, rows, sums_of, shared.select(pl.len(), *exact), faults)


def plan_table_checks(work: Assignment, table: TableExport, rows: pl.LazyFrame, shard: Shard) -> ShardChecks:
    """Return the checks of a shard of another table.

    The transform need not read it.
    """
    schema = work.day.table_schemas[table.name]
    exact = [_minor_units(column, schema[column]).alias(f"sum {column}") for column in shard.sums]
    faults = _find_faults(table.columns, table.key_columns, table.time, work.day.window)
    counted = rows.select(pl.len(), *exact)
    return ShardChecks(shard, f" of {table.name}", schema, rows, tuple(shard.sums), counted, faults)


def _find_faults(columns: Sequence[Column], key: Sequence[str], time: str | None, window: Window) -> dict[str, pl.Expr]:
    faults = {f"no {column.name}": pl.col(column.name).is_null() for column in columns if not column.nullable}
    # A row without a key belongs to no shard, one without a time to no day, whatever the catalogue allows.
    faults |= {f"no {name}": pl.col(name).is_null() for name in (*key, *([time] if time is not None else []))}
    if time is not None:
        start, end = _instant(window.start), _instant(window.end)
        faults[f"a {time} outside the day"] = (pl.col(time) < start) | (pl.col(time) >= end)
    return faults


def _instant(instant: datetime) -> pl.Expr:
    """Return it as polars counts it: a literal from a `datetime` itself costs polars a third of a millisecond."""
    return pl.lit((instant - _EPOCH) // timedelta(microseconds=1), dtype=pl.Int64).cast(INSTANT)


def is_stray_of(table: TableExport, schema: pl.Schema, shard: Shard) -> pl.Expr:
    """Return the condition that another table's row belongs elsewhere."""
    return shard_of({column: schema[column] for column in table.key_columns}, len(table.shards)) != shard.shard


def is_stray(work: Assignment, shard: Shard) -> pl.Expr:
    """Return the condition that a row's key belongs to another shard.

    Where shards are files, none does.
    """
    if work.manifest.shard_function == BY_FILE:
        return pl.lit(value=False)
    key = {column: work.day.schema[column] for column in work.day.key_columns}
    return shard_of(key, len(work.manifest.shards)) != shard.shard


def _minor_units(column: str, dtype: pl.DataType) -> pl.Expr:
    """See `staging.control_sums`: Int128 can't wrap here."""
    physical = pl.col(column).to_physical() if isinstance(dtype, pl.Decimal) else pl.col(column)
    return physical.cast(pl.Int128).sum()
