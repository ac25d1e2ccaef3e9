"""Decides how many rows a row group has.

Memory is bounded: each shard buffers one row group while it fills.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import polars as pl

_SAMPLE_ROWS = 1_000
_LEAST_ROWS, _MOST_ROWS = 512, 65_536
_GROUPS_A_SHARD = 500  # more of them make footers that are no small part of a file


def plan_row_group_rows(*, budget_bytes: int, shards: int, row_bytes: float, expected_rows: int) -> int:
    """Return the number of rows in a row group.

    `budget / (shards * width of a row)`, at least 512 and at most 65,536 rows. Rounded down to a power of two, so that
    an estimate that wavers a little gives the same bytes.
    """
    rows = int(budget_bytes / (shards * max(row_bytes, 1.0)))
    rows = max(rows, expected_rows // shards // _GROUPS_A_SHARD)
    rows = min(max(rows, _LEAST_ROWS), _MOST_ROWS)
    return 1 << (rows.bit_length() - 1)


def sample_row_bytes(frames: Iterator[pl.DataFrame]) -> tuple[float, Iterator[pl.DataFrame]]:
    """Return how many bytes a row takes in memory.

    From the first 1,000 rows; and all the frames again. The same rows give the same figure however they are cut into
    frames.
    """
    taken: list[pl.DataFrame] = []
    rows = 0
    for frame in frames:
        taken.append(frame)
        rows += frame.height
        if rows >= _SAMPLE_ROWS:
            break
    if not rows:
        return 1.0, iter(taken)
    sample = pl.concat(taken).head(_SAMPLE_ROWS)
    return sum(_width(column) for column in sample) / sample.height, chain(taken, frames)


def _width(column: pl.Series) -> float:
    """Return bytes of a column: values by their type, text and bytes by their length and a 16-byte view."""
    if column.dtype == pl.String:
        return float(column.str.len_bytes().sum()) + 16 * column.len()
    if column.dtype == pl.Binary:
        return float(column.bin.size().sum()) + 16 * column.len()
    return (16 if isinstance(column.dtype, pl.Decimal) else 8) * column.len()
