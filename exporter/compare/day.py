"""Counts a day in its source, in short pieces.

Each is a statement of about two milliseconds of the server's work, in autocommit; between them the pace rests as it
does between slices. A table that can't be cut is asked by one statement under the snapshot's cap.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from exporter.compare.judge import Compared, DayFigures, judge_day, judge_tables
from exporter.compare.sums import format_sum, read_sum, sum_sql
from exporter.port.axis import Axis
from exporter.port.columns import ColumnPlan
from exporter.port.database import Source
from exporter.port.pace import Pace
from exporter.port.question import DayQuestion, PlannedRead, plan_read
from exporter.port.same_rows import Telling
from exporter.port.slice_length import SliceLength, empty_round_trip_seconds
from exporter.port.sliced_source import SliceRows, Slices
from exporter.port.source import OpenTable, Statement, TableName, TimeKind
from exporter.refuse.full_scan import check_full_scan
from staging.documents.manifest import Manifest
from staging.documents.same_question import check_same_question
from staging.errors import InputError, LeftForLaterError
from staging.manifest_sums import view_table

_PIECE_SECONDS = 0.002
_QUICK_PIECE_SECONDS = 0.005
"""With so little work for a row, a piece of two milliseconds costs more for the statement than for its rows."""
_LEAST_SECONDS = 0.0002


@dataclass(slots=True)
class Budget:
    """How long the server may still work.

    None: without an end.
    """

    seconds_left: float | None = None
    seconds_spent: float = 0.0

    def spend(self, seconds: float) -> None:
        """Take note of what a statement took."""
        self.seconds_spent += seconds
        if self.seconds_left is not None:
            self.seconds_left -= seconds

    def check(self) -> None:
        """Raise LeftForLaterError where nothing is left.

        A further attempt now would have another budget.
        """
        if self.seconds_left is not None and self.seconds_left <= 0:
            raise LeftForLaterError(
                "The budget of seconds was used up before it was compared.",
                fix="Give a larger --budget-seconds, or compare the rest later: days compared longest ago come first.",
            )


class TablesInSlices:
    """Tables looked at in slices, each opened once for all days."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._open: dict[TableName, Slices] = {}

    def find(self, name: TableName) -> Slices | None:
        """Return the table, None where it has no slices."""
        if name not in self._open:
            if self._source.why_no_slices(name):
                return None
            self._open[name] = self._source.begin_slices(name)
        return self._open[name]

    def close(self) -> None:
        """Let go of all of them.

        They are opened anew when they are asked for again.
        """
        while self._open:
            self._open.popitem()[1].close()


@dataclass(frozen=True, slots=True)
class Comparing:
    """What comparing needs: a source, its tables, its pace, the budget."""

    source: Source
    tables: TablesInSlices
    pace: Pace
    budget: Budget


@dataclass(slots=True)
class _Counted:
    rows: int = 0
    sums: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)
    told: list[int] = field(default_factory=list)

    def add(self, row: Sequence[object], columns: Sequence[ColumnPlan]) -> int:
        """Add what a piece holds; return its rows."""
        rows = int(str(row[0]))
        for column, value in zip(columns, row[1:], strict=False):
            units = read_sum(value, column, rows)
            if units is None and not (value is None and column.may_be_null):
                self.unknown.add(column.name)
            self.sums[column.name] += units or 0
        told = [int(str(value or 0)) for value in row[1 + len(columns) :]]
        self.told = [a + b for a, b in zip(self.told, told, strict=True)]
        self.rows += rows
        return rows

    def figures(self, columns: Sequence[ColumnPlan]) -> DayFigures:
        """Return all of it."""
        sums = {
            column.name: None if column.name in self.unknown else format_sum(self.sums[column.name], column)
            for column in columns
        }
        return DayFigures(self.rows, sums, self.told)


def compare_day(question: DayQuestion, stored: Manifest, comparing: Comparing) -> Compared:
    """Return whether the source still has what the export has.

    InputError where the export answers another question, or the table can't be read any more; UnavailableError where a
    later try may know. Of several tables those with a time are compared, one after the other.
    """
    check_same_question(stored, question.pipeline.source)
    if stored.window() != (question.window.start, question.window.end):
        raise InputError(
            f"The window of {question.names.day} is another one than when it was exported.",
            why="The rules of the time zone were changed since.",
            fix="Read the day again: penstock run --fresh-export.",
        )
    compared = _compare_table(question, stored, comparing)
    others = {
        table.name: _compare_table(question.of_table(table.name), view_table(stored, table), comparing)
        for table in stored.tables
        if table.time is not None and not table.objects and compared.outcome != "changed"
    }
    left_out = {
        table.name: "of files, whose rows are not compared" if table.objects else "of no day, and not compared"
        for table in stored.tables
        if table.time is None or table.objects
    }
    return judge_tables(compared, others, left_out)


def _compare_table(question: DayQuestion, stored: Manifest, comparing: Comparing) -> Compared:
    with question.names_its_table():
        return _compare_one(question, stored, comparing)


def _compare_one(question: DayQuestion, stored: Manifest, comparing: Comparing) -> Compared:
    comparing.budget.check()
    comparing.pace.before_snapshot()
    slices = comparing.tables.find(question.table())
    if slices is not None:
        return _compare(question, stored, comparing, slices, slices.plan_axis)
    seconds = question.pipeline.export.max_snapshot_seconds
    with closing(comparing.source.begin_snapshot(question.table(), max_seconds=seconds)) as table:
        return _compare(question, stored, comparing, table, lambda _: "it has no slices")


def _compare(
    question: DayQuestion,
    stored: Manifest,
    comparing: Comparing,
    table: OpenTable,
    plan_axis: Callable[[Statement], Axis | str],
) -> Compared:
    read = plan_read(question, table, comparing.source.dialect)
    _check_types(stored, read)
    check_full_scan(question, read, table, comparing.source.dialect)
    telling = table.plan_telling(read.statement, read.columns, stored.source)
    return judge_day(
        stored, _count(_Asked(table, read, plan_axis(read.statement), comparing), telling, stored), telling
    )


def _exact_edges(read: PlannedRead) -> str:
    """Return the further condition of the window's rows.

    For ISO text the statement also gives rows beside the window (`plan_bounds`), which an export drops when it has
    decoded them.
    """
    statement = read.statement
    if read.plan.time_kind is not TimeKind.ISO_TEXT:
        return ""
    time = f"replace({statement.time}, 'T', ' ')"
    low, high = (statement.literal(str(bound).replace("T", " ")) for bound in (statement.low, statement.high))
    return f" AND {time} >= {low} AND {time} < {high}"


def _check_types(stored: Manifest, read: PlannedRead) -> None:
    before = {column.name: column for column in stored.columns}
    pairs = [(before.get(plan.name), plan.describe()) for plan in read.plan.columns]
    others = [(old, new) for old, new in pairs if old is None or old.source_type != new.source_type]
    if not others:
        return
    is_drift = any(old is not None and old.dtype != new.dtype for old, new in others)
    raise InputError(
        f"Columns of {stored.source.table} have other types than when {stored.day} was exported.",
        why="; ".join(
            f"{new.name} was {'not there' if old is None else old.source_type} and is {new.source_type}"
            for old, new in others
        )
        + ".",
        fix="Read the day again: penstock run --fresh-export"
        + (" --set export.schema_changes=accept_all, if that is meant." if is_drift else "."),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A day whose rows are looked at, along an axis or, with the reason, whole."""

    table: OpenTable
    read: PlannedRead
    axis: Axis | str
    comparing: Comparing


def _count(asked: _Asked, telling: Telling | str, stored: Manifest) -> DayFigures:
    """Count the day: only what proves it to be the same if that is enough, else all figures."""
    columns = asked.read.plan.conserved()
    if isinstance(telling, str):
        return _ask(asked, columns, ()).figures(columns)
    if telling.quick:
        found = _ask(asked, (), (telling.quick,), _QUICK_PIECE_SECONDS)
        if (found.rows, found.told) == (stored.rows, [0]):
            return DayFigures(found.rows, stored.sums, [0] * len(telling.select))
    return _ask(asked, columns, telling.select).figures(columns)


def _ask(
    asked: _Asked, columns: Sequence[ColumnPlan], telling: Sequence[str], piece_seconds: float = _PIECE_SECONDS
) -> _Counted:
    """Count rows, add up columns and the figures of `Telling`, piece by piece."""
    table, read, axis, comparing = asked.table, asked.read, asked.axis, asked.comparing
    statement = read.statement
    by_name = {column.name: column for column in read.columns}
    sums = [sum_sql(column, by_name[column.name], comparing.source.dialect) for column in columns]
    select = ", ".join(["COUNT(*)", *sums, *telling])
    counted = _Counted(told=[0] * len(telling))
    round_trip_seconds = 0.0
    if isinstance(axis, Axis):
        round_trip_seconds = empty_round_trip_seconds(lambda: table.fetch("SELECT 1"))

    def count(source: str) -> SliceRows:
        comparing.pace.before_slice()
        began = time.perf_counter()
        try:
            (row,) = table.fetch(f"SELECT {select} {source}")
        finally:
            # Only the server's work counts: a client spends a third of that on a statement that does nothing.
            seconds = max(time.perf_counter() - began - round_trip_seconds, _LEAST_SECONDS)
            comparing.budget.spend(seconds)
        rows = counted.add(row, columns)
        comparing.pace.after_slice(seconds, rows)
        return SliceRows(rows, 0, seconds, None)

    if not isinstance(axis, Axis):
        count(f"FROM {statement.table} WHERE {statement.condition()}{_exact_edges(read)}")
        return counted
    length, position = SliceLength(axis, piece_seconds), axis.low
    while position < axis.high:
        comparing.budget.check()
        end = length.end_of(position)
        found = count(f"FROM {statement.table} {axis.hint} WHERE {axis.condition(statement, position, end)}")
        length.took(end - position, found)
        position = end
    return counted
