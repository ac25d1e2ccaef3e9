"""Counts every row on its way to a shard.

Rows, smallest and largest key, exact control sums.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

from exporter.port.columns import ReadPlan
from staging.control_sums import format_minor_units, scale_of
from staging.key import Key, spell_key
from staging.sharding import shard_of

_COMPACT_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class ShardTally:
    """What one shard must hold. `sums` are in minor units."""

    rows: int
    min_key: Key
    max_key: Key
    sums: dict[str, int]


class Tally:
    """Adds the shard's number to each frame, and counts rows.

    The number is in the column `shard_column`.
    """

    def __init__(self, plan: ReadPlan, shards: int) -> None:
        self._plan = plan
        names = {column.name for column in plan.columns}
        self.shard_column = next(name for name in _free_names() if name not in names)
        self._shard = shard_of({key.name: key.dtype for key in plan.key}, shards).alias(self.shard_column)
        # Positions instead of names, so that no column's name can clash with a figure's.
        self._sums = [f"{_SUM}{i}" for i, _ in enumerate(plan.conserved())]
        self._least = [f"{_MIN}{i}" for i, _ in enumerate(plan.key)]
        self._greatest = [f"{_MAX}{i}" for i, _ in enumerate(plan.key)]
        self._counts: list[pl.DataFrame] = []
        self.rows = 0

    def schema(self) -> pl.Schema:
        """Return the schema of the frames that `count` gives."""
        return pl.Schema({**self._plan.schema(), self.shard_column: pl.UInt32()})

    def count(self, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Yield each frame with its shards, after having counted it."""
        key = self._plan.key
        figures = [
            pl.len().cast(pl.Int64).alias(_ROWS),
            *(pl.col(column.name).min().alias(name) for name, column in zip(self._least, key, strict=True)),
            *(pl.col(column.name).max().alias(name) for name, column in zip(self._greatest, key, strict=True)),
            *(
                pl.col(column.name).to_physical().cast(pl.Int128).sum().alias(name)
                for name, column in zip(self._sums, self._plan.conserved(), strict=True)
            ),
        ]
        for frame in frames:
            sharded = frame.with_columns(self._shard)
            self._counts.append(sharded.group_by(pl.col(self.shard_column).alias(_SHARD)).agg(figures))
            self.rows += frame.height
            if sum(count.height for count in self._counts) > _COMPACT_ROWS:
                self._counts = [self._merged()]
            yield sharded

    def by_shard(self) -> dict[int, ShardTally]:
        """Return the figures of each shard that has rows."""
        if not self._counts:
            return {}
        return {
            row[_SHARD]: ShardTally(
                rows=row[_ROWS],
                min_key=spell_key([format_key(row[name]) for name in self._least]),
                max_key=spell_key([format_key(row[name]) for name in self._greatest]),
                sums={c.name: int(row[name]) for name, c in zip(self._sums, self._plan.conserved(), strict=True)},
            )
            for row in self._merged().iter_rows(named=True)
        }

    def _merged(self) -> pl.DataFrame:
        return (
            pl.concat(self._counts)
            .group_by(_SHARD)
            .agg(
                pl.col(_ROWS).sum(),
                *(pl.col(name).min() for name in self._least),
                *(pl.col(name).max() for name in self._greatest),
                *(pl.col(name).sum() for name in self._sums),
            )
        )


_SHARD, _ROWS, _MIN, _MAX, _SUM = "shard", "rows", "min", "max", "sum"


def format_key(key: object) -> str:
    """Return a column of a key as the manifest spells it.

    Text as it is, numbers in digits, bytes in hex.
    """
    return key.hex() if isinstance(key, bytes) else str(key)


def format_sums(plan: ReadPlan, sums: dict[str, int]) -> dict[str, str]:
    """Return exact decimal text of sums in minor units.

    0 where a column has none.
    """
    return {c.name: format_minor_units(sums.get(c.name, 0), scale_of(c.dtype)) for c in plan.conserved()}


def _free_names() -> Iterator[str]:
    name = "shard"
    while True:
        yield name
        name = f"_{name}"
