"""Plans what of two exports can be compared.

And which figures of each key.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from staging.columns.shard_function import BY_FILE
from staging.control_sums import is_conservable, scale_of
from staging.documents.manifest import Manifest
from staging.dtypes import schema_of
from staging.errors import InputError
from staging.manifest_sums import view_table

_HASH_SEED = 0x50E


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two exports with the same key.

    `sums` are columns of both that have control sums of one scale. `key` are the key's columns with their types.
    `values` are columns of both with one type: rows that differ in them are seen. `left_out` are columns that can't be
    compared. `is_aligned`: shard n of both holds the same keys.
    """

    before: Manifest
    after: Manifest
    key: pl.Schema
    sums: tuple[str, ...]
    values: tuple[str, ...]
    left_out: tuple[str, ...]
    is_aligned: bool
    table: str = ""
    """The name of the table beside the leading one; "" for the leading one."""

    def scales(self) -> dict[str, int]:
        """Return the decimal places of each sum."""
        schema = schema_of(self.after.columns)
        return {column: scale_of(schema[column]) for column in self.sums}

    def key_types(self) -> dict[str, pl.DataType]:
        """Return the key's columns of `key_figures`.

        No name of a column can clash with a figure's.
        """
        return {f"key {index}": dtype for index, dtype in enumerate(self.key.values())}

    def figures_schema(self) -> pl.Schema:
        """Return the columns of `key_figures`."""
        sums = {f"sum {index}": pl.Int128() for index, _ in enumerate(self.sums)}
        return pl.Schema({**self.key_types(), "rows": pl.Int64(), **sums, "values": pl.Int128()})


def plan_comparison(before: Manifest, after: Manifest) -> Comparison:
    """Return what is compared; InputError where the exports have different keys."""
    old, new = schema_of(before.columns), schema_of(after.columns)
    keys = [
        pl.Schema({column: schema[column] for column in manifest.source.key_columns})
        for manifest, schema in ((before, old), (after, new))
    ]
    if list(keys[0].items()) != list(keys[1].items()):
        raise InputError(
            f"The exports {before.export_id} and {after.export_id} have different keys.",
            why=" and ".join(", ".join(f"{name} of type {dtype}" for name, dtype in key.items()) for key in keys),
            fix="Compare two exports that were made with the same `source.key`.",
        )
    key = keys[0]
    both = tuple(name for name in new if name not in key and old.get(name) == new[name])
    return Comparison(
        before,
        after,
        key,
        sums=tuple(name for name in both if is_conservable(new[name])),
        values=both,
        left_out=tuple(sorted((old.keys() | new.keys()) - {*key, *both})),
        is_aligned=_split(before) == _split(after) and after.shard_function != BY_FILE,
    )


def plan_comparisons(before: Manifest, after: Manifest) -> list[Comparison]:
    """Return what is compared, table by table, the leading one first.

    InputError where the exports have other tables, or one of them another key.
    """
    names = [[table.name for table in manifest.tables] for manifest in (before, after)]
    if sorted(names[0]) != sorted(names[1]):
        raise InputError(
            f"The exports {before.export_id} and {after.export_id} have different tables.",
            why=" and ".join(", ".join(["the leading one", *tables]) for tables in names) + ".",
            fix="Compare two exports that were made with the same `source.with`.",
        )
    tables = {table.name: table for table in before.tables}
    beside = [
        replace(plan_comparison(view_table(before, tables[each.name]), view_table(after, each)), table=each.name)
        for each in after.tables
    ]
    return [plan_comparison(before, after), *beside]


def _split(manifest: Manifest) -> tuple[str, int]:
    return manifest.shard_function, len(manifest.shards)


def key_figures(path: Path, compared: Comparison) -> pl.DataFrame:
    """Return the figures of each key of a file.

    Rows, exact sums in minor units, and the sum of its rows' hashes. Sums are Int128 of at most 28 digits each, hashes
    of 64 bits: neither can wrap.
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
        .group_by(pl.col(column).alias(name) for column, name in zip(compared.key, compared.key_types(), strict=True))
        .agg(pl.len().cast(pl.Int64).alias("rows"), *exact, hashed)
        .select(list(compared.figures_schema()))
    )
    return figures.collect(engine="streaming")
