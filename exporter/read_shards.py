"""From a connected source to committed shards: one snapshot, one pass over its rows, every one of them counted."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import closing

import polars as pl

from exporter.commit import Written
from exporter.decode import Decoder
from exporter.probes import run_probes
from exporter.question import DayQuestion, PlannedRead, plan_read
from exporter.reading import Reading, SnapshotCap
from exporter.row_groups import plan_row_group_rows, sample_row_bytes
from exporter.shard_count import plan_shards
from exporter.shard_sink import Failure, ShardObject, ShardSink, commit_all
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
    cap = SnapshotCap(config.max_snapshot_seconds)
    snapshot = source.begin_snapshot(question.table(), max_seconds=config.max_snapshot_seconds)
    with closing(snapshot):
        read = plan_read(question, snapshot, source.dialect)
        run_probes(read, snapshot)
        estimate = snapshot.estimate(read.statement)
        shards, why_shards = plan_shards(config.shards, estimate)
        tally = Tally(read.plan, shards)
        reading = Reading(lambda: _rows(snapshot, read, estimate), source, cancel, cap)
        with reading:
            objects = _write(question, read, reading, tally, shards, estimate, store, progress)
        counted = tally.by_shard()
        files = commit_all(objects, {shard: t.rows for shard, t in counted.items()}, check=cancel.check)
    return Written(
        shards=shards,
        files=files,
        counted=counted,
        plan=read.plan,
        source=_describe_source(question, source, snapshot, read),
        reading=manifest.Reading(
            mode="snapshot",
            why=f"one statement in one snapshot, at most {config.max_snapshot_seconds} s; {shards} shards, {why_shards}",
            reader=source.reader,
            seconds=round(reading.read_seconds, 3),
            waited_seconds={},
        ),
        as_of=snapshot.as_of,
    )


def _rows(snapshot: Snapshot, read: PlannedRead, estimate: Estimate) -> Iterator[pl.DataFrame]:
    """Give the rows and end the snapshot with the last of them: it must not live on while files are finished."""
    with closing(snapshot):
        yield from snapshot.read(read.statement, estimate)


def _write(
    question: DayQuestion,
    read: PlannedRead,
    reading: Reading,
    tally: Tally,
    shards: int,
    estimate: Estimate,
    store: Store,
    progress: Progress,
) -> list[ShardObject]:
    zone = load_zone(question.pipeline.source.column_timezone)
    decoded = Decoder(read.plan, question.window, zone).decode(reading.batches())
    row_bytes, frames = sample_row_bytes(tally.count(decoded))
    objects: list[ShardObject] = []

    def create_object(shard: int, failure: Failure) -> ShardObject:
        name = question.names.shard_file(question.export_id, shard)
        objects.append(ShardObject(shard, name, store.create_stream(name), failure))
        return objects[-1]

    sink = ShardSink(
        create_object,
        tally.shard_column,
        plan_row_group_rows(
            budget_bytes=question.pipeline.export.row_group_bytes,
            shards=shards,
            row_bytes=row_bytes,
            expected_rows=estimate.rows,
        ),
    )
    return sink.write(_told(frames, tally, objects, estimate, progress), tally.schema())


def _told(
    frames: Iterable[pl.DataFrame], tally: Tally, objects: list[ShardObject], estimate: Estimate, progress: Progress
) -> Iterator[pl.DataFrame]:
    began = time.monotonic()
    for frame in frames:
        written = sum(made.size_bytes for made in list(objects))
        progress.emit(rows=tally.rows, size_bytes=written, expected_rows=estimate.rows or None)
        yield frame
    note = f"read in {time.monotonic() - began:.1f} s"
    progress.emit(rows=tally.rows, size_bytes=sum(made.size_bytes for made in objects), note=note, last=True)


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
