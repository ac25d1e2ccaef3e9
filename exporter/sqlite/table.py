"""Reads one table in a read transaction, by its declared types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

import polars as pl

from exporter.port.same_rows import Telling
from exporter.port.source import Bound, Estimate, Probe, SourceColumn, Statement, TableName, Wire
from exporter.sqlite.connection import SqliteConnection
from exporter.sqlite.probes import plan_probes
from exporter.sqlite.types import Declared, read_declared
from staging.documents.manifest import Source as StoredSource
from staging.errors import PenstockError


class SqliteSnapshot:
    """A read transaction."""

    def __init__(
        self, connection: SqliteConnection, table: TableName, *, as_of: datetime, evidence: dict[str, str]
    ) -> None:
        self._connection = connection
        self._table = table
        self._open = True
        self._declared: dict[str, Declared] = {}
        self.table_sql = connection.catalogue.table_sql(table)
        self.as_of = as_of
        self.evidence = evidence

    def beside(self, table: TableName) -> SqliteSnapshot:
        """Return another table in this transaction."""
        other = SqliteSnapshot(self._connection, table, as_of=self.as_of, evidence=dict(self.evidence))
        other._open = False
        return other

    def describe(self) -> Mapping[str, SourceColumn]:
        """Return the columns by their declared types."""
        catalogue = self._connection.catalogue
        known = {row[1] for row in catalogue.rows("PRAGMA database_list")}
        if self._table.schema and self._table.schema not in known:
            raise catalogue.no_table(self._table)
        schema = f"{catalogue.quote(self._table.schema)}." if self._table.schema else ""
        rows = catalogue.rows(f"PRAGMA {schema}table_xinfo({catalogue.quote(self._table.table)})")
        if not rows:
            raise catalogue.no_table(self._table)
        found = {}
        for _, name, declared_type, not_null, _, part_of_key, hidden in rows:
            if hidden == 1:
                continue
            quoted = catalogue.quote(name)
            self._declared[name] = declared = read_declared(declared_type or "", quoted)
            is_rowid = part_of_key and str(declared_type).upper() == "INTEGER"
            found[name] = SourceColumn(
                name=name,
                source_type=declared_type or "",
                nullable=not (not_null or is_rowid),
                quoted=quoted,
                carried=declared.carried,
                refusal=declared.refusal,
                time=declared.time,
                folding=self._folding(quoted),
            )
        return found

    def literal(self, bound: Bound) -> str:
        """Write a bound."""
        if isinstance(bound, int):
            return str(bound)
        text = bound if isinstance(bound, str) else bound.isoformat()
        return "'" + text.replace("'", "''") + "'"

    def fetch(self, sql: str) -> Sequence[tuple[object, ...]]:
        """Return the rows of a small statement in this snapshot."""
        return self._connection.run(sql, "look at the day")

    def probes(self, statement: Statement, columns: Sequence[SourceColumn]) -> Sequence[Probe]:
        """Look for times and values that a statement would miss."""
        return plan_probes(statement, columns, self._declared)

    def estimate(self, statement: Statement) -> Estimate:
        """Count the rows of the statement."""
        sql = f"SELECT count(*) FROM {statement.table} WHERE {statement.condition()}"  # noqa: S608 - quoted by the dialect
        ((rows,),) = self.fetch(sql)
        return Estimate(int(str(rows)), "counted")

    def read(self, statement: Statement, estimate: Estimate) -> Iterator[pl.DataFrame]:
        """Stream the statement behind a row that shows ADBC the types."""
        del estimate
        example = ", ".join(f"{_example(statement, i)} AS c{i}" for i, _ in enumerate(statement.select))
        columns = [carried.select for carried in statement.select]
        return self._connection.stream(f"SELECT {example} UNION ALL {statement.text()}", columns)

    def plan_telling(
        self, statement: Statement, columns: Sequence[SourceColumn], stored: StoredSource
    ) -> Telling | str:
        """Return why nothing but count and sums can tell."""
        del statement, columns, stored
        return "SQLite has neither row versions nor checksums"

    def close(self) -> None:
        """End the transaction."""
        if self._open and not self._connection.is_abandoned:
            self._open = False
            with suppress(PenstockError):  # a dead connection has ended it
                self._connection.run("ROLLBACK", "end the snapshot")

    def _folding(self, quoted: str) -> str | None:
        """Return the collation by which the column is compared, None for BINARY. Only SQLite's bytecode shows it."""
        rows = self._connection.catalogue.rows(f"EXPLAIN SELECT {quoted} = 'x' FROM {self.table_sql}")  # noqa: S608 - quoted by the dialect
        collations = {str(row[5]).split("-")[0] for row in rows if row[1] in ("Eq", "Ne") and row[5]}
        return next((name for name in sorted(collations) if name != "BINARY"), None)


def _example(statement: Statement, index: int) -> str:
    """Return a value of the type in which a column travels."""
    wire, dtype = statement.select[index].wire, statement.select[index].dtype
    if statement.has_time and index == statement.time_index:
        return "0" if isinstance(statement.low, int) else "''"
    if wire is Wire.BOOLEAN_INTEGER or dtype.is_integer():
        return "0"
    if dtype.is_float():
        return "0.5"
    return "x''" if dtype == pl.Binary() else "''"
