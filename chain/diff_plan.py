"""What can be compared of two exports, and which figures of each key are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from staging.control_sums import is_conservable, scale_of
from staging.dtypes import schema_of
from staging.errors import InputError
from staging.manifest import Manifest
from staging.sharding import BY_FILE

_HASH_SEED = 0x50E


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two exports with the same key. `sums` are columns of both that have control sums of one scale.

    `values` are columns of both with one type: rows that differ in them are seen. `left_out` are columns that can't be
    compared. `is_aligned`: shard n of both holds the same keys.
    """

    before: Manifest
    after: Manifest
    key_dtype: pl.DataType
    sums: tuple[str, ...]
    values: tuple[str, ...]
    left_out: tuple[str, ...]
    is_aligned: bool

    def scales(self) -> dict[str, int]:
        """Return the decimal places of each sum."""
        schema = schema_of(self.after.columns)
        return {column: scale_of(schema[column]) for column in self.sums}

    def figures_schema(self) -> pl.Schema:
        """Return the columns of `key_figures`."""
        sums = {f"sum {index}": pl.Int128() for index, _ in enumerate(self.sums)}
        return pl.Schema({"key": self.key_dtype, "rows": pl.Int64(), **sums, "values": pl.Int128()})


def plan_comparison(before: Manifest, after: Manifest) -> Comparison:
    """Return what is compared; InputError where the exports have different keys."""
    old, new = schema_of(before.columns), schema_of(after.columns)
    keys = [(manifest.source.key, schema[manifest.source.key]) for manifest, schema in ((before, old), (after, new))]
    if keys[0] != keys[1]:
        raise InputError(
            f"The exports {before.export_id} and {after.export_id} have different keys.",
            why=" and ".join(f"{name} of type {dtype}" for name, dtype in keys),
            fix="Compare two exports that were made with the same `source.key`.",
        )
    key, dtype = keys[0]
    both = tuple(name for name in new if name != key and old.get(name) == new[name])
    return Comparison(
        before,
        after,
        dtype,
        sums=tuple(name for name in both if is_conservable(new[name])),
        values=both,
        left_out=tuple(sorted((old.keys() | new.keys()) - {key, *both})),
        is_aligned=_split(before) == _split(after) and after.shard_function != BY_FILE,
    )


def _split(manifest: Manifest) -> tuple[str, int]:
    return manifest.shard_function, len(manifest.shards)


def key_figures(path: Path, compared: Comparison) -> pl.DataFrame:
    """Return of each key of a file: rows, exact sums in minor units, and the sum of its rows' hashes.

    Sums are Int128 of at most 28 digits each, hashes of 64 bits: neither can wrap.
    """
    schema = schema_of(compared.after.columns)
    exact = [
        (pl.col(column).to_physical() if isinstance(schema[column], pl.Decimal) else pl.col(column))
        .cast(pl.Int128)
        .sum()
        .alias(f"sum {index}")
        for index, column in enumerate(compared.sums)
    ]
    hashed = pl.struct(compared.values).hash(seed=_HASH_SEED).cast(pl.Int128).sum().alias("values")
    figures = (
        pl.scan_parquet(path, glob=False, hive_partitioning=False)
        .group_by(pl.col(compared.after.source.key).alias("key"))
        .agg(pl.len().cast(pl.Int64).alias("rows"), *exact, hashed)
        .select(list(compared.figures_schema()))
    )
    return figures.collect(engine="streaming")
