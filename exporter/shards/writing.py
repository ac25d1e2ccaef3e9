"""Writes decoded frames into the shards' objects.

Whatever they were read from.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import polars as pl

from exporter.port.question import DayQuestion
from exporter.port.source import Estimate
from exporter.shards.row_groups import plan_row_group_rows, sample_row_bytes
from exporter.shards.sink import Failure, ShardObject, ShardSink
from exporter.shards.tally import Tally
from staging.process.progress import Progress
from staging.store import Store


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
        name = self.question.names.shard_file(self.question.export_id, shard)
        self.objects.append(ShardObject(shard, name, self.store.create_stream(name), failure))
        return self.objects[-1]

    def _told(self, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        expected = self.estimate.rows or None
        self.progress.begin("read")
        for frame in frames:
            self.progress.emit(rows=self.tally.rows, size_bytes=self._written_bytes(), expected_rows=expected)
            yield frame
        self.progress.emit(rows=self.tally.rows, size_bytes=self._written_bytes(), note="finishing files", last=True)

    def _written_bytes(self) -> int:
        return sum(made.size_bytes for made in list(self.objects))
