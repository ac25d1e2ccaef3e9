"""Compares two exports of a day, key by key.

Exact, and with the memory of a shard, not of a day. Where both were split alike, shard is compared with shard. Else the
figures of each key go to files of this machine, by the same hash for both, and are compared file by file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from chain.diff.plan import Comparison, key_figures
from loader.parts import fetch_objects
from staging.control_sums import format_minor_units
from staging.documents.manifest import Shard
from staging.process.cancel import Cancel
from staging.sharding import shard_of
from staging.store import Store

_BEFORE, _AFTER = "before", "after"


@dataclass(frozen=True, slots=True)
class KeyDifference:
    """One key that differs.

    Rows and exact sums by column, before and after; 0 where the key was not there. `key` are the values of its columns,
    in its order. `other_values`: rows and sums are the same, and the rows differ in something else that both exports
    carry.
    """

    key: tuple[object, ...]
    rows: tuple[int, int]
    sums: dict[str, tuple[str, str]]
    other_values: bool


@dataclass(slots=True)
class KeyDifferences:
    """How many keys are new, gone, changed, or the same.

    `listed` are those that differ most.
    """

    new: int = 0
    gone: int = 0
    changed: int = 0
    same: int = 0
    listed: list[KeyDifference] = field(default_factory=list)

    @property
    def differing(self) -> int:
        """Keys that are not the same in both."""
        return self.new + self.gone + self.changed


def diff_exports(store: Store, compared: Comparison, *, limit: int, scratch: Path, cancel: Cancel) -> KeyDifferences:
    """Compare all keys.

    List at most `limit`, by how much the first sum differs, then rows, then the key.
    """
    pairs = _shard_pairs(store, compared, cancel) if compared.is_aligned else _spilled(store, compared, scratch, cancel)
    found, most, key = KeyDifferences(), _nothing(compared), list(compared.key_types())
    order, descending = ["by sum", "by rows", *key], [True, True, *(False for _ in key)]
    for before, after in pairs:
        differing = _compare(before, after, compared, found)
        most = pl.concat([most, differing]).sort(order, descending=descending).head(limit)
    found.listed = [_describe(row, compared) for row in most.iter_rows(named=True)]
    return found


def diff_tables(
    store: Store, comparisons: Sequence[Comparison], *, limit: int, scratch: Path, cancel: Cancel
) -> list[KeyDifferences]:
    """Compare one table after the other, as `diff_exports` does."""
    found = []
    for each in comparisons:
        folder = scratch / (each.table or "-")
        folder.mkdir()
        found.append(diff_exports(store, each, limit=limit, scratch=folder, cancel=cancel))
    return found


Pair = tuple[pl.DataFrame, pl.DataFrame]


def _shard_pairs(store: Store, compared: Comparison, cancel: Cancel) -> Iterator[Pair]:
    for before, after in zip(compared.before.shards, compared.after.shards, strict=True):
        yield (
            _figures_of(store, before, compared, cancel),
            _figures_of(store, after, compared, cancel),
        )


def _spilled(store: Store, compared: Comparison, scratch: Path, cancel: Cancel) -> Iterator[Pair]:
    """Give pairs by a common hash of the key; what waits for its turn lies in `scratch`."""
    pieces = max(len(compared.before.shards), len(compared.after.shards), 1)
    for side, manifest in ((_BEFORE, compared.before), (_AFTER, compared.after)):
        for shard in manifest.shards:
            figures = _figures_of(store, shard, compared, cancel)
            piece = figures.with_columns(shard_of(compared.key_types(), pieces).alias("piece"))
            for (number,), rows in piece.partition_by("piece", as_dict=True, include_key=False).items():
                folder = scratch / f"{side}-{number}"
                folder.mkdir(exist_ok=True)
                rows.write_parquet(folder / f"{shard.shard}.parquet", compression="lz4")
    for number in range(pieces):
        cancel.check()
        before, after = (_read_piece(scratch / f"{side}-{number}", compared) for side in (_BEFORE, _AFTER))
        yield before, after


def _read_piece(folder: Path, compared: Comparison) -> pl.DataFrame:
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return _add_up([pl.read_parquet(file, glob=False) for file in files], compared)


def _figures_of(store: Store, shard: Shard, compared: Comparison, cancel: Cancel) -> pl.DataFrame:
    return _add_up([key_figures(path, compared) for _, path in fetch_objects(store, shard.files, cancel)], compared)


def _add_up(figures: list[pl.DataFrame], compared: Comparison) -> pl.DataFrame:
    """A key may come from several files; its figures are whole numbers, so they add up exactly."""
    whole, key = pl.concat([pl.DataFrame(schema=compared.figures_schema()), *figures]), list(compared.key_types())
    return whole.group_by(key).agg(pl.col(name).sum() for name in whole.columns if name not in key)


def _compare(before: pl.DataFrame, after: pl.DataFrame, compared: Comparison, found: KeyDifferences) -> pl.DataFrame:
    """Count into `found` and return the keys that differ."""
    key = list(compared.key_types())
    figures = [name for name in compared.figures_schema() if name not in key]
    joined = before.join(after, on=key, how="full", coalesce=True, suffix=f" {_AFTER}").with_columns(
        (pl.col("rows").is_null()).alias("is new"), (pl.col(f"rows {_AFTER}").is_null()).alias("is gone")
    )
    whole = joined.with_columns(pl.col(*figures, *(f"{name} {_AFTER}" for name in figures)).fill_null(0))
    differs = pl.any_horizontal(pl.col(name) != pl.col(f"{name} {_AFTER}") for name in figures)
    differing = whole.filter(differs | pl.col("is new") | pl.col("is gone"))
    new, gone = int(differing["is new"].sum()), int(differing["is gone"].sum())
    found.new += new
    found.gone += gone
    found.changed += differing.height - new - gone
    found.same += whole.height - differing.height
    return differing.with_columns(_apart("sum 0" if compared.sums else "rows", "by sum"), _apart("rows", "by rows"))


def _apart(name: str, alias: str) -> pl.Expr:
    return (pl.col(f"{name} {_AFTER}").cast(pl.Int128) - pl.col(name).cast(pl.Int128)).abs().alias(alias)


def _nothing(compared: Comparison) -> pl.DataFrame:
    empty = pl.DataFrame(schema=compared.figures_schema())
    return _compare(empty, empty, compared, KeyDifferences())


def _describe(row: dict[str, object], compared: Comparison) -> KeyDifference:
    def pair(name: str) -> tuple[int, int]:
        return int(str(row[name])), int(str(row[f"{name} {_AFTER}"]))

    rows = pair("rows")
    units = {column: pair(f"sum {index}") for index, column in enumerate(compared.sums)}
    scales = compared.scales()
    sums = {
        column: (format_minor_units(left, scales[column]), format_minor_units(right, scales[column]))
        for column, (left, right) in units.items()
    }
    same = rows[0] == rows[1] and all(left == right for left, right in units.values())
    return KeyDifference(tuple(row[name] for name in compared.key_types()), rows, sums, other_values=same)
