"""Writes decoded frames into the shards' objects.

From any source. Memory is bounded: each shard buffers one row group while it fills.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

import polars as pl

from exporter.port.question import DayQuestion
from exporter.port.source import Estimate
from exporter.shards.sink import Failure, ShardObject, ShardSink
from exporter.shards.tally import Tally
from staging.process.progress import Progress
from staging.store import Store

_SAMPLE_ROWS = 1_000
_LEAST_ROWS, _MOST_ROWS = 512, 65_536
_GROUPS_A_SHARD = 500  # more of them make footers that are no small part of a file


@dataclass
class ShardWriting:
    """Decoded frames on their way into the shards' objects."""

    question: DayQuestion
    store: Store
    progress: Progress
    tally: Tally
    shards: int
    estimate: Estimate
    objects: list[ShardObject] = field(default_factory=list)
    rows_before: int = 0
    bytes_before: int = 0
    """What earlier tables of the same export have written: it is shown as one count."""

    def write(self, frames: Iterator[pl.DataFrame]) -> None:
        """Write all frames; the objects are finished then, and uncommitted."""
        row_bytes, counted = sample_row_bytes(self.tally.count(frames))
        row_group_rows = plan_row_group_rows(
            budget_bytes=self.question.pipeline.export.row_group_bytes,
            shards=self.shards,
            row_bytes=row_bytes,
            expected_rows=self.estimate.rows,
        )
        sink = ShardSink(self._create_object, self.tally.shard_column, self.shards, row_group_rows)
        sink.write(self._told(counted), self.tally.schema())

    def _create_object(self, shard: int, failure: Failure) -> ShardObject:
        name = self.question.shard_file(shard)
        self.objects.append(ShardObject(shard, name, self.store.create_stream(name), failure))
        return self.objects[-1]

    def _told(self, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        expected = self.rows_before + self.estimate.rows or None
        self.progress.begin("read")
        for frame in frames:
            self.progress.emit(rows=self.rows(), size_bytes=self.size_bytes(), expected_rows=expected)
            yield frame
        self.progress.emit(rows=self.rows(), size_bytes=self.size_bytes(), note="finishing files", last=True)

    def rows(self) -> int:
        """Return how many rows were written, also of tables before."""
        return self.rows_before + self.tally.rows

    def size_bytes(self) -> int:
        """Return how many bytes were written, also of tables before."""
        return self.bytes_before + sum(made.size_bytes for made in list(self.objects))


def plan_row_group_rows(*, budget_bytes: int, shards: int, row_bytes: float, expected_rows: int) -> int:
    """Return the number of rows in a row group.

    `budget / (shards * width of a row)`, at least 512 and at most 65,536 rows. Rounded down to a power of two, so that
    slightly different estimates give the same bytes.
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
