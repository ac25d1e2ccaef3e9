"""Looks for rows that no window would ever show.

They would silently be missing from every day.
"""

from __future__ import annotations

from collections.abc import Sequence

from exporter.port.columns import FIX_ROW
from exporter.port.question import PlannedRead
from exporter.port.source import OpenTable, Probe, SourceColumn, Statement, TimeKind
from staging.errors import InputError
from staging.key import show_row

NEVER_CHANGED = "It can't be carried exactly, and rows are never dropped or changed silently."
_SMALLER_UNITS = {"milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
_NEAR_SECONDS = 30 * 365 * 86400
"""How far from the day a row lies at most that proves that numbers are seconds: 20261114 would be of August 1970."""


def run_probes(read: PlannedRead, table: OpenTable) -> None:
    """Raise InputError if the table holds a row without time.

    Or what else the database's adapter knows of.
    """
    probes = [*table.probes(read.statement, read.columns)]
    if read.statement.has_time and (time := read.time).nullable:
        probes.insert(
            0, plan_probe(read.statement, read.columns, f"{time.quoted} IS NULL", f"Column {time.name} is NULL")
        )
    for probe in probes:
        if rows := table.fetch(probe.sql):
            raise InputError(
                probe.tell(rows[0]),
                why="It would be left out of every export, or changed, without a word.",
                fix=FIX_ROW,
            )
    if read.statement.has_time:
        check_unit(read, table)


def check_unit(read: PlannedRead, table: OpenTable) -> None:
    """Raise InputError where numbers have a smaller unit than seconds.

    By their type they are seconds since 1970, but rows of this very day are found in a smaller unit. As seconds they
    would be of the year 58,000, and the day would lack them. One look along the time column.
    """
    low, high = read.statement.low, read.statement.high
    if read.time.time is not TimeKind.UNIX_SECONDS or not isinstance(low, int) or not isinstance(high, int):
        return
    name, quoted = read.time.name, read.time.quoted
    windows = {
        unit: f"({quoted} >= {low * factor} AND {quoted} < {high * factor})" for unit, factor in _SMALLER_UNITS.items()
    }
    both = plan_probe(read.statement, read.columns, f"({' OR '.join(windows.values())})", "")
    if not table.fetch(both.sql):
        _check_seconds(read, table, low, high)
        return
    for unit, window in windows.items():
        probe = plan_probe(read.statement, read.columns, window, f"Column {name} holds {unit} since 1970, not seconds")
        if rows := table.fetch(probe.sql):
            raise InputError(
                probe.tell(rows[0]),
                why="Whole numbers are read as seconds, so rows of the day would be left out without a word.",
                fix=f"Read a view that divides {name} by {_SMALLER_UNITS[unit]:,}, or casts it to a timestamp. "
                "Nothing was exported.",
            )


def _check_seconds(read: PlannedRead, table: OpenTable, low: int, high: int) -> None:
    """Raise InputError where not one row of the table lies near the day.

    Then its numbers are no seconds: 20261114, minutes, days, ticks. The pipeline's condition is left out: who asks for
    none of the table's rows would have all of them looked at.
    """
    name, quoted, of_table = read.time.name, read.time.quoted, read.statement.table
    near = f"{quoted} >= {low - _NEAR_SECONDS} AND {quoted} < {high + _NEAR_SECONDS}"
    if table.fetch(f"SELECT 1 FROM {of_table} WHERE {near} LIMIT 1"):  # noqa: S608 - quoted by the dialect
        return
    for (found,) in table.fetch(f"SELECT {quoted} FROM {of_table} LIMIT 1"):  # noqa: S608 - quoted by the dialect
        raise InputError(
            f"Column {name} holds no seconds since 1970, such as {found}.",
            why="Whole numbers are read as seconds, and none of the table is within 30 years of the day: all of its "
            "rows would be left out without a word.",
            fix=f"Read a view that makes seconds of {name}, or casts it to a date or a timestamp. "
            "Nothing was exported.",
        )


def plan_probe(statement: Statement, columns: Sequence[SourceColumn], condition: str, what: str) -> Probe:
    """Return a statement that finds one row's key.

    The row fulfils this condition and the pipeline's own. `columns` are in the statement's order.
    """
    both = f"{condition} AND ({statement.where})" if statement.where else condition
    key = [column.name for column in columns[: statement.time_index]]
    selected = ", ".join(carried.select for carried in statement.select[: statement.time_index])
    sql = f"SELECT {selected} FROM {statement.table} WHERE {both} LIMIT 1"  # noqa: S608 - quoted by the dialect
    return Probe(sql, lambda row: f"{what}, where {show_row(key, row)}.")
