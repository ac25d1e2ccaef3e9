"""From a connected source to committed shards: one snapshot, one pass over its rows, every one of them counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import polars as pl

from exporter.commit import Written
from exporter.decode import Decoder
from exporter.drift import check_drift, find_contract
from exporter.full_scan import check_full_scan
from exporter.pacing.open_pace import open_pace
from exporter.probes import run_probes
from exporter.question import DayQuestion, PlannedRead, plan_read
from exporter.reading import Reading
from exporter.shard_count import plan_shards
from exporter.shard_sink import commit_all
from exporter.shard_writing import ShardWriting
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
    contract = find_contract(store, question)
    with open_pace(question.pipeline, source.dialect, store, cancel, progress) as pace:
        pace.before_snapshot()
    with (
        SnapshotGuard(source, cancel, config.max_snapshot_seconds) as guard,
        closing(source.begin_snapshot(question.table(), max_seconds=config.max_snapshot_seconds)) as snapshot,
    ):
        read = plan_read(question, snapshot, source.dialect)
        check_drift(contract, question, read, source.dialect)
        check_full_scan(question, read, snapshot, source.dialect)
        run_probes(read, snapshot)
        estimate = snapshot.estimate(read.statement)
        shards, why_shards = plan_shards(config.shards, estimate)
        writing = ShardWriting(question, store, progress, Tally(read.plan, shards), shards, estimate)
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
            waited_seconds=dict(pace.waited_seconds),
        ),
        as_of=snapshot.as_of,
    )


def _rows(snapshot: Snapshot, read: PlannedRead, estimate: Estimate, guard: SnapshotGuard) -> Iterator[pl.DataFrame]:
    """Give the rows and end the snapshot with the last of them: it must not live on while files are finished."""
    with closing(snapshot):
        yield from snapshot.read(read.statement, estimate)
    guard.release()


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
        table_columns=read.table_columns,
    )
