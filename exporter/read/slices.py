"""Reads closed days in many short statements.

A seal proves they saw one and the same table, and several tables at one and the same instant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import polars as pl

from exporter.port.axis import Axis
from exporter.port.database import Source
from exporter.port.probes import run_probes
from exporter.port.question import DayQuestion, PlannedRead
from exporter.port.sliced_source import Closed, Seal, Slices
from exporter.port.source import Estimate, KeyIndex
from exporter.read.attempt import Attempt, HowRead
from exporter.read.beside import PlannedTable, add_up, plan_beside
from exporter.read.choose import ReadChoice
from exporter.read.files import Files, plan_files
from exporter.read.reading import Reading
from exporter.read.sealing import Sealing
from exporter.read.slice_loop import SlicedRead
from exporter.read.snapshot_guard import SnapshotGuard
from exporter.read.table_writing import TableWriting, commit_files, plan_writings, write_files
from exporter.read.timeless import RestingPace, plan_pieces, read_timeless
from exporter.shards.commit import Written
from exporter.shards.day_keys import DayKeys
from staging.errors import InputError


@dataclass(frozen=True, slots=True)
class Look:
    """What was found out before a row was read.

    The statement, how much it will give, what each table is cut along, by its name in the pipeline (the leading table's
    is ""), the tables beside the leading one, and the files beside them.
    """

    read: PlannedRead
    estimate: Estimate
    choice: ReadChoice
    cuts: Mapping[str, Axis | KeyIndex]
    beside: Sequence[PlannedTable[Slices]] = ()
    files: Sequence[PlannedTable[Files]] = ()


def begin_slices(question: DayQuestion, source: Source) -> Slices:
    """Take the witnesses of all tables.

    Before anything is asked on which the read relies.
    """
    also = question.tables_beside()
    if not also:
        return source.begin_slices(question.table())
    cap = question.pipeline.export.max_snapshot_seconds
    is_read_in_it = any(table.time is None for table in question.pipeline.source.tables_beside.values())
    return source.begin_slices(question.table(), also=also, max_seconds=cap if is_read_in_it else 0)


def look_at(attempt: Attempt, slices: Slices) -> Look:
    """Choose how to read. InputError and UnavailableError as `choose_read` has them."""
    question = attempt.question
    read = attempt.plan(slices)
    estimate = slices.estimate(read.statement)
    found = plan_beside(question, attempt.contract, slices, read, attempt.source.dialect, looks=False, joins=False)
    leading = PlannedTable("", None, question, slices, read, estimate)
    tables = limit_to_keys([leading, *found])
    files = plan_files(attempt.files, question, attempt.contract, read)
    choose = partial(attempt.choose, add_up(estimate, [table.estimate for table in tables[1:]]))
    way = find_way(tables, question.pipeline.export.max_snapshot_seconds, choose, lambda: attempt.closed)
    return Look(read, estimate, *way, tables[1:], files)


def limit_to_keys(tables: Sequence[PlannedTable[Slices]]) -> list[PlannedTable[Slices]]:
    """Return the tables with better estimates.

    One that carries only rows of the day's keys has no more rows than the day.
    """
    most = sum(table.estimate.rows for table in tables if table.has_time)

    def limit(table: PlannedTable[Slices]) -> PlannedTable[Slices]:
        estimate = replace(table.estimate, rows=min(table.estimate.rows, most))
        return replace(table, estimate=estimate, is_joined=True)  # each piece lists keys of the day's rows

    return [limit(table) if table.only_keys and not table.has_time else table for table in tables]


def find_way(
    tables: Sequence[PlannedTable[Slices]],
    max_seconds: int,
    choose: Callable[[str, Closed | None], ReadChoice],
    find_closed: Callable[[], Closed | None],
) -> tuple[ReadChoice, dict[str, Axis | KeyIndex]]:
    """Find how a day can be read, asking only what matters.

    Returns what `choose` has to know: why there are no slices, and of the day's end, neither asked for in vain. And by
    table what it is cut along: an axis, without a time an index.
    """
    choice = choose("", None)
    if choice.mode == "snapshot":  # even if there are slices
        return choice, {}
    cuts: dict[str, Axis | KeyIndex] = {}
    leading = tables[0].read
    for table in tables:
        found: Axis | KeyIndex | str = (
            table.table.plan_axis(table.read.statement) if table.has_time else plan_pieces(table, leading, max_seconds)
        )
        if isinstance(found, str):
            return choose(f"of {table.shown} {found}" if table.name and table.has_time else found, find_closed()), {}
        cuts[table.name] = found
    return choose("", find_closed()), cuts


def read_in_slices(attempt: Attempt, slices: Slices, look: Look, guard: SnapshotGuard) -> Written:
    """Read the day in slices and commit its shards.

    StartOverError, and nothing left, when the seal does not agree.
    """
    tables = [PlannedTable("", None, attempt.question, slices, look.read, look.estimate), *look.beside]
    for table in tables:
        with table.question.names_its_table():
            run_probes(table.read, table.table)
    with ExitStack() as undone:
        keys = DayKeys()
        writings, of_files = plan_writings(attempt, tables, look.files, keys)
        for sharded in [*(each.sharded for each in writings), *(each.sharded for each in of_files)]:
            undone.callback(sharded.abort)
        read = _SlicedTables(attempt, look.cuts, writings, keys)
        seconds = read.write_all(guard)
        guard.release()
        write_files(of_files, writings[-1].sharded)
        leading, *beside = writings
        how = HowRead("slices", look.choice.why, read.as_of, read.evidence(leading.table), seconds)
        of_tables = [writing.commit(read.evidence(writing.table)) for writing in beside]
        written = leading.sharded.commit(how, [*of_tables, *commit_files(of_files)])
        undone.pop_all()
    return written


class _SlicedTables:
    """All tables of one read: those with a time in slices, then the seal, and in its snapshot the others."""

    def __init__(
        self,
        attempt: Attempt,
        cuts: Mapping[str, Axis | KeyIndex],
        writings: Sequence[TableWriting[Slices]],
        keys: DayKeys,
    ) -> None:
        self._attempt = attempt
        self._writings = writings
        self._keys = keys
        self._target_seconds = attempt.question.pipeline.export.slice_milliseconds / 1000
        tables = [writing.table for writing in writings]
        self._last = tables[-1]
        self._first_timeless = next((table for table in tables if not table.has_time), None)
        self._reads = {
            table.name: SlicedRead(table.table, cut, attempt.pace, attempt.cancel, target_seconds=self._target_seconds)
            for table in tables
            if isinstance(cut := cuts[table.name], Axis)
        }
        self._indexes = {name: index for name, index in cuts.items() if isinstance(index, KeyIndex)}
        self._sealing = Sealing(
            list(self._reads.values()),
            [table.table for table in tables],
            attempt.cancel,
            lambda: attempt.progress.begin("seal"),
        )

    @property
    def as_of(self) -> datetime:
        """The instant of the seal, which all tables are true of."""
        return self._sealing.seals[0].as_of

    def write_all(self, guard: SnapshotGuard) -> float:
        """Write the rows of all tables, and seal them; return how many seconds they were read."""
        seconds, attempt = 0.0, self._attempt
        with ExitStack() as opened:
            for place, writing in enumerate(self._writings):
                if place:
                    writing.sharded.continue_from(self._writings[place - 1].sharded)
                if writing.table is self._first_timeless:
                    attempt.pace.before_snapshot()
                    cap = attempt.question.pipeline.export.max_snapshot_seconds
                    guard = opened.enter_context(SnapshotGuard(attempt.source, attempt.cancel, cap))
                if writing.table.has_time:
                    rows = partial(self._read_slices, writing.table)
                else:
                    guard.at(writing.table.shown)
                    rows = partial(self._read_in_seal, writing.table, guard)
                seconds += self._write(writing, rows, guard)
        return seconds

    def _write(
        self, writing: TableWriting[Slices], rows: Callable[[], Iterator[pl.DataFrame]], guard: SnapshotGuard
    ) -> float:
        try:
            with Reading(rows, self._attempt.source, guard) as reading:
                writing.write(reading.batches())
        except InputError:
            if not guard.is_over():  # a value that its column can't hold shows that the column has changed
                self._sealing.check_tables()
            raise
        return reading.seconds

    def _read_slices(self, table: PlannedTable[Slices]) -> Iterator[pl.DataFrame]:
        read = self._reads[table.name]
        table.table.begin_seal(table.read.statement, read.axis)
        yield from read.frames()
        if table is self._last:
            with self._attempt.pace.beside("seal"):
                self._sealing.seal()
                self._sealing.end()

    def _read_in_seal(self, table: PlannedTable[Slices], guard: SnapshotGuard) -> Iterator[pl.DataFrame]:
        """Give the rows, and end the snapshot with the very last one: it must not live on while files are finished."""
        with self._attempt.pace.beside("seal"):
            yield from self._read_pieces(table, guard)

    def _read_pieces(self, table: PlannedTable[Slices], guard: SnapshotGuard) -> Iterator[pl.DataFrame]:
        if table is self._first_timeless:
            self._sealing.seal()
        pace, index = RestingPace(self._attempt.cancel, guard), self._indexes[table.name]
        yield from read_timeless(
            table, index, self._keys, pace, self._attempt.cancel, target_seconds=self._target_seconds
        )
        if table is self._last:
            self._sealing.end()
            guard.release()

    def evidence(self, table: PlannedTable[Slices]) -> dict[str, str]:
        """Return what the server said of the read of one table."""
        found, closed = dict(table.table.evidence), self._attempt.closed
        if table.has_time:
            place = list(self._reads).index(table.name)
            found |= _describe(self._reads[table.name], self._sealing.seals[place])
        if not table.name:
            repeated = sum(read.repeated for read in self._reads.values()) + self._sealing.repeated
            found |= {"slices_repeated": str(repeated)} | ({"closed": closed.how} if closed is not None else {})
        return found


def _describe(read: SlicedRead, seal: Seal) -> dict[str, str]:
    counts, axis = read.counts, read.axis
    return {
        **seal.evidence,
        "sealed": f"{seal.how}; found {seal.found}",
        "seal_seconds": f"{seal.seconds:.3f}",
        "slices": f"{counts.slices} along {axis.along} {axis.column}: {axis.proof}",
        "slice_seconds": f"{counts.seconds:.3f} in all, {counts.longest_seconds:.3f} the longest",
    }
