"""Merges partial parts into one row a key.

Columns are summed, or their smallest or largest value is taken, exactly. Rows wait on this machine's disk, split by a
hash of their key, so that memory holds only a piece of the day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from loader.run_inputs import RunInputs
from staging.columns.shard_function import choose_function
from staging.errors import InputError
from staging.polars_errors import POLARS_ERRORS
from staging.process.cancel import Cancel
from staging.sharding import shard_of

PIECE_ROWS = 1_000_000


def merge_parts(
    parts: Iterable[pl.DataFrame], inputs: RunInputs, cancel: Cancel, *, piece_rows: int = PIECE_ROWS
) -> Iterator[pl.DataFrame]:
    """Yield the merged rows, each key in one piece.

    A piece has about `piece_rows` rows, sorted by key. InputError where a sum does not fit its column.
    """
    pieces = _plan_pieces(inputs, piece_rows)
    with TemporaryDirectory(prefix="penstock-merge-") as folder:
        for number, part in enumerate(parts):
            _spill(part, inputs, pieces, Path(folder), number)
        for piece in range(pieces):
            cancel.check()
            files = sorted(Path(folder).glob(f"{piece}-*.parquet"), key=lambda file: int(file.stem.split("-")[1]))
            if files:
                yield _merge(pl.concat(pl.read_parquet(file, glob=False) for file in files), inputs)


def _plan_pieces(inputs: RunInputs, piece_rows: int) -> int:
    """Return how many pieces: the same run gives the same. A key of a type without a stable hash is merged in one."""
    try:
        choose_function(*_key_types(inputs).values())
    except InputError:
        return 1
    return max(1, -(-inputs.rows // piece_rows))


def _key_types(inputs: RunInputs) -> dict[str, pl.DataType]:
    return {column: inputs.schema[column] for column in inputs.key}


def _spill(part: pl.DataFrame, inputs: RunInputs, pieces: int, folder: Path, number: int) -> None:
    if pieces == 1:
        part.write_parquet(folder / f"0-{number}.parquet", compression="lz4")
        return
    piece = shard_of(_key_types(inputs), pieces)
    for (which,), rows in part.group_by(piece.alias("penstock piece")):
        rows.write_parquet(folder / f"{which}-{number}.parquet", compression="lz4")


def _merge(rows: pl.DataFrame, inputs: RunInputs) -> pl.DataFrame:
    columns = [_merged(name, inputs.schema[name], how) for name, how in inputs.merge.items()]
    try:
        merged = rows.group_by(inputs.key).agg(columns)
        return merged.select(list(inputs.schema)).cast(inputs.schema).sort(inputs.key)
    except POLARS_ERRORS as exc:
        raise InputError(
            "The partial rows can't be merged.",
            why=f"A sum does not fit its column: {' '.join(str(exc).split())[:300]}",
            fix="Declare wider columns in the transform's contract. Nothing was loaded.",
        ) from exc


def _merged(name: str, dtype: pl.DataType, how: str) -> pl.Expr:
    """NULLs do not count, and only NULLs give NULL. No sum can wrap: see `staging.control_sums`."""
    column = pl.col(name)
    if how == "min":
        return column.min()
    if how == "max":
        return column.max()
    exact = column if isinstance(dtype, pl.Decimal) else column.cast(pl.Int128)
    return pl.when(column.count() > 0).then(exact.sum()).alias(name)
