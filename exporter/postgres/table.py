"""One table of PostgreSQL that can be asked about.

Its columns, how bounds are written, what the planner expects of a statement.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from exporter.port.catalogue import Catalogue
from exporter.port.probes import plan_probe
from exporter.port.source import Bound, Estimate, Probe, SourceColumn, Statement, TableName
from exporter.port.time_column import utc_text
from exporter.postgres.session import PostgresSession
from exporter.postgres.types import plan_carried, time_kind, type_folding
from staging.errors import InputError

# A domain's modifier is its own, for a domain of a domain the innermost one's: SQLAlchemy does not report it.
_ATTRIBUTES = """
WITH RECURSIVE made_of AS (
    SELECT a.attname, a.atttypid AS type, a.atttypmod AS modifier, a.attcollation
    FROM pg_attribute a WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT m.attname, t.typbasetype, t.typtypmod, m.attcollation
    FROM made_of m JOIN pg_type t ON t.oid = m.type WHERE t.typtype = 'd'
)
SELECT m.attname, m.modifier, c.collname
FROM made_of m
JOIN pg_type t ON t.oid = m.type AND t.typtype <> 'd'
LEFT JOIN pg_collation c ON c.oid = m.attcollation AND NOT c.collisdeterministic
"""


Run = Callable[[str, str], Sequence[tuple[Any, ...]]]
"""Runs a small statement; the second text says what is being done."""


class PostgresTable:
    """A table or view of PostgreSQL.

    Of a session's two connections, the catalogue's asks about it, and the other one reads it.
    """

    def __init__(self, session: PostgresSession, table: TableName) -> None:
        self._session = session
        self.table = table
        self.table_sql = self._catalogue.table_sql(table)

    @property
    def _catalogue(self) -> Catalogue:
        return self._session.catalogue

    def _run(self, sql: str, doing: str) -> Sequence[tuple[Any, ...]]:
        return self._session.run(sql, doing)

    def kind(self) -> str:
        """Return its `pg_class.relkind`; InputError where there is none of that name."""
        kinds = self._catalogue.rows("SELECT relkind FROM pg_class WHERE oid = to_regclass(%s)", self.table_sql)
        if not kinds:
            self._catalogue.columns(self.table)  # says which table there may be instead
        return str(kinds[0][0]) if kinds else ""

    def describe(self) -> Mapping[str, SourceColumn]:
        """Return the columns.

        Those of a nondeterministic collation, of citext and of JSON fold texts.
        """
        catalogue = self._catalogue
        ((encoding,),) = catalogue.rows("SELECT current_setting('server_encoding')")
        told = {name: (typmod, folding) for name, typmod, folding in catalogue.rows(_ATTRIBUTES, self.table_sql)}
        indexed = catalogue.leading_columns(self.table)
        found = {}
        for column in catalogue.columns(self.table):
            typmod, folding = told[column.name]
            carried, refusal = plan_carried(column, typmod=typmod, has_encoding=encoding != "SQL_ASCII")
            found[column.name] = SourceColumn(
                name=column.name,
                source_type=column.source_type,
                nullable=column.nullable,
                quoted=column.quoted,
                carried=carried,
                refusal=refusal,
                time=time_kind(column),
                folding=type_folding(column.type) or folding,
                indexed=column.name in indexed,
            )
        return found

    def literal(self, bound: Bound) -> str:
        """Write a bound with its type.

        So an index on the column is used.
        """
        match bound:
            case datetime(tzinfo=None):
                return f"TIMESTAMP '{bound.isoformat(sep=' ')}'"
            case datetime():
                return f"TIMESTAMPTZ '{utc_text(bound)}+00'"
            case date():
                return f"DATE '{bound.isoformat()}'"
        raise InputError(f"PostgreSQL has no time column like {bound!r}.")

    def fetch(self, sql: str) -> Sequence[tuple[object, ...]]:
        """Return the rows of a small statement on the reading connection."""
        return self._run(sql, "look at the day")

    def probes(self, statement: Statement, columns: Sequence[SourceColumn]) -> Sequence[Probe]:
        """Look for infinite times: they lie in no window."""
        if not statement.has_time or (time := columns[statement.time_index]).time is None:
            return ()
        infinite = f"{time.quoted} IN ('infinity', '-infinity')"
        return [plan_probe(statement, columns, infinite, f"Column {time.name} is infinite")]

    def estimate(self, statement: Statement) -> Estimate:
        """Return what the planner expects."""
        ((plan,),) = self.fetch(f"EXPLAIN (FORMAT JSON) {statement.text()}")
        parsed = json.loads(str(plan))
        return Estimate(int(parsed[0]["Plan"]["Plan Rows"]), "expected by EXPLAIN")
