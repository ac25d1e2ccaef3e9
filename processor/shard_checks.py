"""What is counted of a shard while the transform reads it: the same scan feeds both, so the checks cost little.

* rows and exact control sums must equal the manifest's, which the exporter counted while it read the database;
* no NULL in a column that has none, no row outside the day. Parquet's own statistics answer these two without
  unpacking (polars skips row groups that can't match); where they can't, the rows are looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from processor.assignment import Assignment
from processor.outside_day import is_outside
from processor.transform import Day
from staging.control_sums import format_minor_units, parse_money, scale_of
from staging.errors import IntegrityError
from staging.manifest import Shard
from staging.sharding import shard_of


@dataclass(frozen=True, slots=True)
class ShardCounts:
    """What the shard holds: rows, and exact sums in minor units of each column."""

    rows: int
    sums: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ShardChecks:
    """Frames to run, and what they must say."""

    shard: Shard
    sums_of: tuple[str, ...]
    none_of: Mapping[str, pl.LazyFrame]
    none_of_alone: Mapping[str, pl.LazyFrame]
    counted: pl.LazyFrame
    day: Day

    def frames(self) -> list[pl.LazyFrame]:
        """All frames; give their results to `verify` in this order."""
        return [self.counted, *self.none_of.values()]

    def verify_alone(self) -> None:
        """Run the checks without a transform, with one more that would cost too much each time."""
        try:
            results = pl.collect_all([*self.frames(), *self.none_of_alone.values()], engine="streaming")
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as exc:
            raise self._unlike([f"it can't be read: {exc}"]) from exc
        self.verify(results)

    def verify(self, results: Sequence[pl.DataFrame]) -> ShardCounts:
        """Return what was counted; IntegrityError when it is not what the manifest says."""
        rows, *sums = results[0].row(0)
        counts = ShardCounts(rows, dict(zip(self.sums_of, sums, strict=True)))
        faults = [f"{rows} rows instead of {self.shard.rows}"] if rows != self.shard.rows else []
        for column, text in self.shard.sums.items():
            scale = scale_of(self.day.schema[column])
            if counts.sums[column] != parse_money(text, scale):
                faults.append(f"{column} sums to {format_minor_units(counts.sums[column], scale)} instead of {text}")
        # `results` may lack those of `none_of_alone`, which come last.
        for what, result in zip([*self.none_of, *self.none_of_alone], results[1:], strict=False):
            if found := result.item():
                faults.append(f"{found} rows have {what}")
        if faults:
            raise self._unlike(faults)
        return counts

    def _unlike(self, faults: Sequence[str]) -> IntegrityError:
        return IntegrityError(
            f"Shard {self.shard.shard} is not what its manifest says.",
            why="; ".join(faults),
            fix="Read the day again with penstock run --fresh-export, and report it: the exporter wrote both.",
        )


def plan_checks(work: Assignment, rows: pl.LazyFrame, shard: Shard) -> ShardChecks:
    """Return the checks of one shard: of the manifest's control sums and of those that the transform is to conserve."""
    manifest, day = work.manifest, work.day
    sums_of = tuple(dict.fromkeys([*shard.sums, *work.contract.conserves.values()]))
    exact = [_minor_units(column, day.schema[column]).alias(f"sum {column}") for column in sums_of]
    none_of = {
        f"no {column.name}": rows.filter(pl.col(column.name).is_null()).select(pl.len())
        for column in manifest.columns
        if not column.nullable
    }
    outside = is_outside(day, work.column_timezone)
    if outside is not None:
        none_of[f"a {day.time} outside the day"] = rows.filter(outside).select(pl.len())
    stray = shard_of(day.key, day.schema[day.key], len(manifest.shards)) != shard.shard
    strays = {f"a {day.key} of another shard": rows.select(stray.sum().cast(pl.UInt32))}
    return ShardChecks(shard, sums_of, none_of, strays, rows.select(pl.len(), *exact), day)


def _minor_units(column: str, dtype: pl.DataType) -> pl.Expr:
    """See `staging.control_sums`: Int128 can't wrap here."""
    physical = pl.col(column).to_physical() if isinstance(dtype, pl.Decimal) else pl.col(column)
    return physical.cast(pl.Int128).sum()
