"""Reads a day in one snapshot.

One statement for each table, one pass over its rows, never a pause inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial

import polars as pl

from exporter.port.database import Source
from exporter.port.probes import run_probes
from exporter.port.question import PlannedRead
from exporter.port.source import Estimate, Snapshot
from exporter.read.attempt import Attempt, HowRead
from exporter.read.beside import PlannedTable, add_up, plan_beside
from exporter.read.choose import ReadChoice
from exporter.read.files import plan_files
from exporter.read.reading import Reading
from exporter.read.snapshot_guard import SnapshotGuard
from exporter.read.table_writing import TableWriting, commit_files, plan_writings, write_files
from exporter.shards.commit import Written
from exporter.shards.day_keys import DayKeys


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
    cap, also = question.pipeline.export.max_snapshot_seconds, question.tables_beside()
    attempt.pace.before_snapshot()
    with ExitStack() as undone:
        with (
            SnapshotGuard(source, attempt.cancel, cap) as guard,
            closing(source.begin_snapshot(question.table(), max_seconds=cap, also=also)) as snapshot,
        ):
            read = attempt.plan(snapshot, planned[0] if planned else None)
            run_probes(read, snapshot)
            beside = plan_beside(question, attempt.contract, snapshot, read, source.dialect, at=guard.at)
            files = plan_files(attempt.files, question, attempt.contract, read)
            estimate = planned[1] if planned else snapshot.estimate(read.statement)
            choice = choose(add_up(estimate, [table.estimate for table in beside]))
            leading = PlannedTable("", None, question, snapshot, read, estimate)
            writings, of_files = plan_writings(attempt, [leading, *beside], files, DayKeys())
            for sharded in [*(each.sharded for each in writings), *(each.sharded for each in of_files)]:
                undone.callback(sharded.abort)
            with attempt.pace.beside("snapshot"):
                seconds = _write_all(writings, snapshot, source, guard)
        write_files(of_files, writings[-1].sharded)
        how = HowRead("snapshot", choice.why, snapshot.as_of, snapshot.evidence, seconds)
        tables = [writing.commit(writing.table.table.evidence) for writing in writings[1:]]
        written = writings[0].sharded.commit(how, [*tables, *commit_files(of_files)])
        undone.pop_all()
    return written


def _write_all(
    writings: Sequence[TableWriting[Snapshot]], snapshot: Snapshot, source: Source, guard: SnapshotGuard
) -> float:
    """Write the rows of all tables; return how many seconds they were read."""
    seconds = 0.0
    for place, writing in enumerate(writings):
        if place:
            writing.sharded.continue_from(writings[place - 1].sharded)
        guard.at(writing.table.shown if len(writings) > 1 else "")
        ends = snapshot if writing is writings[-1] else None
        with Reading(partial(_rows, writing.table, guard, ends), source, guard) as reading:
            writing.write(reading.batches())
        seconds += reading.seconds
    return seconds


def _rows(table: PlannedTable[Snapshot], guard: SnapshotGuard, ends: Snapshot | None) -> Iterator[pl.DataFrame]:
    """Give the rows and end the snapshot with the very last one: it must not live on while files are finished."""
    if ends is None:
        yield from table.table.read(table.read.statement, table.estimate)
        return
    with closing(ends):
        yield from table.table.read(table.read.statement, table.estimate)
    guard.release()
