"""One table of MySQL or MariaDB that can be asked about.

A snapshot of it and a read in slices share this.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import types as sql

from exporter.mysql.catalogue import MysqlCatalogue
from exporter.mysql.explain import explain_steps
from exporter.mysql.key_range import last_before
from exporter.mysql.row_text import plan_charset, plan_telling
from exporter.mysql.types import folding, time_kind
from exporter.port.catalogue import ReflectedColumn
from exporter.port.probes import plan_probe
from exporter.port.same_rows import Telling
from exporter.port.source import JSON, Bound, Carried, Estimate, Probe, SourceColumn, Statement, TableName, TimeKind
from exporter.port.time_column import utc_text
from staging.documents.manifest import Source as StoredSource
from staging.errors import InputError

Run = Callable[[str, str], Sequence[tuple[Any, ...]]]
"""Runs a small statement; the second text says what is being done."""

Carry = Callable[[ReflectedColumn], tuple[Carried | None, str]]
"""Returns how a column is carried, or None and why not."""


_FIRST_TIMES = {
    TimeKind.DATE: "DATE'0001-01-01'",
    TimeKind.NAIVE: "TIMESTAMP'0001-01-01 00:00:00'",
    # MySQL knows that no TIMESTAMP is earlier and looks for none, but it holds 0000-00-00, too:
    # https://dev.mysql.com/doc/refman/8.0/en/datetime.html
    TimeKind.INSTANT: "TIMESTAMP'1970-01-01 00:00:01'",
}
"""The first time that a column can hold, but for dates with zeros; in UTC, as the session is."""


class MysqlTable:
    """A base table or view."""

    def __init__(self, catalogue: MysqlCatalogue, run: Run, table: TableName, *, dialect: str, carry: Carry) -> None:
        self.table = table
        self.table_sql = catalogue.table_sql(table)
        self._catalogue = catalogue
        self._run = run
        self._dialect = dialect
        self._carry = carry
        self._indexed = catalogue.leading_columns(table)

    def describe(self) -> Mapping[str, SourceColumn]:
        """Return the columns with the database's own spelling of their types."""
        found = {}
        for column in self._catalogue.columns(self.table):
            carried, refusal = self._carry(column)
            found[column.name] = SourceColumn(
                name=column.name,
                source_type=column.source_type,
                nullable=column.nullable,
                quoted=column.quoted,
                carried=carried,
                refusal=refusal,
                time=time_kind(column),
                folding=JSON if isinstance(column.type, sql.JSON) else folding(column.collation),
                indexed=column.name in self._indexed,
                null_meaning="is NULL or a date with zeros"
                if isinstance(column.type, sql.Date | sql.DateTime)
                else "is NULL",
            )
        return found

    def literal(self, bound: Bound) -> str:
        """Write a bound; the session's zone is UTC."""
        match bound:
            case datetime(tzinfo=None):
                return f"TIMESTAMP'{bound.isoformat(sep=' ')}'"
            case datetime():
                return f"TIMESTAMP'{utc_text(bound)}'"
            case date():
                return f"DATE'{bound.isoformat()}'"
            case int():
                return str(bound)
        raise InputError(f"{self._dialect} has no time column like {bound!r}.")

    def fetch(self, sql: str) -> Sequence[tuple[object, ...]]:
        """Return the rows of a small statement."""
        return self._run(sql, "look at the day")

    def probes(self, statement: Statement, columns: Sequence[SourceColumn]) -> Sequence[Probe]:
        """Look for dates with zeros in the time column.

        0000-00-00 lies before every window, 2026-11-00 before an edge. 2026-11-00 sorts after all of October and before
        all of November; a slice ends with the last time of October.
        """
        if not statement.has_time:
            return ()
        time = columns[statement.time_index]
        if time.time is None or (first := _FIRST_TIMES.get(time.time)) is None:
            return ()
        # Not after the last microsecond: on an index of whole seconds MySQL rounds that up to the next one.
        end = statement.high
        last = end - timedelta(seconds=1) if isinstance(end, datetime) else last_before(end)
        at_edge = f"{time.quoted} > {self.literal(last)} AND {time.quoted} < {self.literal(end)}"
        has_zeros = f"(MONTH({time.quoted}) = 0 OR DAYOFMONTH({time.quoted}) = 0)"
        zeros = f"({time.quoted} < {first} OR ({at_edge} AND {has_zeros}))"
        return [plan_probe(statement, columns, zeros, f"Column {time.name} is a date with zeros, such as 0000-00-00")]

    def plan_charset(self, statement: Statement) -> str:
        """Return the setting of literals for a statement of the table."""
        return plan_charset(statement, all_stored=self._catalogue.stores_all(self.table))

    def plan_telling(
        self, statement: Statement, columns: Sequence[SourceColumn], stored: StoredSource
    ) -> Telling | str:
        """Return how a checksum of rows tells whether they are the same."""
        self._run(f"SET SESSION {self.plan_charset(statement)}", "set up the session")
        return plan_telling(statement, {column.name: column for column in columns}, stored.evidence)

    def estimate(self, statement: Statement) -> Estimate:
        """Return what the optimizer expects to find by the time column.

        Only that column is asked for: with all of them it may choose to scan the table, and report that table's rows.
        """
        selected = statement.time if statement.has_time else "1"
        by_time = f"SELECT {selected} FROM {statement.table} WHERE {statement.window()}"  # noqa: S608 - quoted
        return Estimate(self.expected_rows(by_time), "expected by EXPLAIN")

    def expected_rows(self, sql: str) -> int:
        """Return how many rows the optimizer expects to look at.

        The statement is on one table.
        """
        steps = explain_steps(self._catalogue.rows, sql, dialect=self._dialect)
        return max((step.rows for step in steps), default=0)

    def integer_primary_key(self) -> str | None:
        """Return the quoted primary key if it is one readable integer."""
        key = self._catalogue.primary_key(self.table)
        types = {column.name: column.type for column in self._catalogue.columns(self.table)}
        single = len(key) == 1 and isinstance(types.get(key[0]), sql.Integer)
        return self._catalogue.quote(key[0]) if single else None

    def is_indexed(self, quoted: str) -> bool:
        """Return whether an index begins with the column."""
        return quoted in {self._catalogue.quote(name) for name in self._indexed}
