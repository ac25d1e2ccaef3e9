"""Reads a day in one snapshot.

One statement, one pass over its rows, never a pause inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import polars as pl

from exporter.port.probes import run_probes
from exporter.port.question import PlannedRead
from exporter.port.source import Estimate, Snapshot
from exporter.read.attempt import Attempt, HowRead, ShardedRead
from exporter.read.choose import ReadChoice
from exporter.read.reading import Reading
from exporter.read.snapshot_guard import SnapshotGuard
from exporter.shards.commit import Written


def read_in_snapshot(
    attempt: Attempt,
    choose: Callable[[Estimate], ReadChoice],
    planned: tuple[PlannedRead, Estimate] | None = None,
) -> Written:
    """Read the day in one snapshot and commit its shards.

    On any error nothing is committed. `choose` is asked when the snapshot knows how many rows to expect, and raises if
    that is too many. What was `planned` before it began is not planned again; only the columns are looked at again,
    inside.
    """
    question, source = attempt.question, attempt.source
    cap = question.pipeline.export.max_snapshot_seconds
    attempt.pace.before_snapshot()
    with (
        SnapshotGuard(source, attempt.cancel, cap) as guard,
        closing(source.begin_snapshot(question.table(), max_seconds=cap)) as snapshot,
    ):
        read = attempt.plan(snapshot, planned[0] if planned else None)
        run_probes(read, snapshot)
        estimate = planned[1] if planned else snapshot.estimate(read.statement)
        choice = choose(estimate)
        sharded = ShardedRead(attempt, read, estimate)
        with Reading(lambda: _rows(snapshot, read, estimate, guard), source, guard) as reading:
            sharded.write(reading.batches())
    how = HowRead("snapshot", choice.why, snapshot.as_of, snapshot.evidence, reading.seconds)
    return sharded.commit(how)


def _rows(snapshot: Snapshot, read: PlannedRead, estimate: Estimate, guard: SnapshotGuard) -> Iterator[pl.DataFrame]:
    """Give the rows and end the snapshot with the last of them: it must not live on while files are finished."""
    with closing(snapshot):
        yield from snapshot.read(read.statement, estimate)
    guard.release()
