"""From a connected source to committed shards: one snapshot, one pass over its rows, every one of them counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import polars as pl

from exporter.commit import Written
from exporter.decode import Decoder
from exporter.probes import run_probes
from exporter.question import DayQuestion, PlannedRead, plan_read
from exporter.reading import Reading
from exporter.row_groups import plan_row_group_rows, sample_row_bytes
from exporter.shard_count import plan_shards
from exporter.shard_sink import Failure, ShardObject, ShardSink, commit_all
from exporter.snapshot_guard import SnapshotGuard
from exporter.source import Estimate, Snapshot, Source
from exporter.tally import Tally
from staging import manifest
from staging.cancel import Cancel
from staging.progress import Progress
from staging.store import Store
from staging.window import load_zone


def read_shards(question: DayQuestion, source: Source, store: Store, cancel: Cancel, progress: Progress) -> Written:
    """Read the day in one snapshot and commit its shards; on any error nothing is committed."""
    config = question.pipeline.export
    with (
        SnapshotGuard(source, cancel, config.max_snapshot_seconds) as guard,
        closing(source.begin_snapshot(question.table(), max_seconds=config.max_snapshot_seconds)) as snapshot,
    ):
        read = plan_read(question, snapshot, source.dialect)
        run_probes(read, snapshot)
        estimate = snapshot.estimate(read.statement)
        shards, why_shards = plan_shards(config.shards, estimate)
        writing = _Writing(question, store, progress, Tally(read.plan, shards), shards, estimate)
        with Reading(lambda: _rows(snapshot, read, estimate, guard), source, guard) as reading:
            zone = load_zone(question.pipeline.source.column_timezone)
            writing.write(Decoder(read.plan, question.window, zone).decode(reading.batches()))
    counted = writing.tally.by_shard()
    files = commit_all(writing.objects, {shard: t.rows for shard, t in counted.items()}, check=cancel.check)
    return Written(
        shards=shards,
        files=files,
        counted=counted,
        plan=read.plan,
        source=_describe_source(question, source, snapshot, read),
        reading=manifest.Reading(
            mode="snapshot",
            why=f"one snapshot of at most {config.max_snapshot_seconds} s; {shards} shards, {why_shards}",
            reader=source.reader,
            seconds=round(reading.seconds, 3),
            waited_seconds={},
        ),
        as_of=snapshot.as_of,
    )


def _rows(snapshot: Snapshot, read: PlannedRead, estimate: Estimate, guard: SnapshotGuard) -> Iterator[pl.DataFrame]:
    """Give the rows and end the snapshot with the last of them: it must not live on while files are finished."""
    with closing(snapshot):
        yield from snapshot.read(read.statement, estimate)
    guard.release()


@dataclass
class _Writing:
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
        for frame in frames:
            self.progress.emit(rows=self.tally.rows, size_bytes=self._written_bytes(), expected_rows=expected)
            yield frame
        self.progress.emit(rows=self.tally.rows, size_bytes=self._written_bytes(), note="finishing files", last=True)

    def _written_bytes(self) -> int:
        return sum(made.size_bytes for made in list(self.objects))


def _describe_source(question: DayQuestion, source: Source, snapshot: Snapshot, read: PlannedRead) -> manifest.Source:
    config = question.pipeline.source
    return manifest.Source(
        dialect=source.dialect,
        server_version=source.server_version,
        server_identity=source.server_identity,
        table=str(question.table()),
        key=config.key,
        time=config.time,
        where=config.where,
        statement=read.statement.text(),
        evidence=snapshot.evidence | {"column_timezone": config.column_timezone},
    )
