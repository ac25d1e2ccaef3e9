"""Asks a database how it would run the read of a day.

Nothing is read but the catalogue.
"""

from __future__ import annotations

from exporter.mysql.explain import explain_mysql
from exporter.port.explained import Explained
from exporter.port.source import OpenTable, SourceColumn, Statement, TableName
from exporter.postgres.explain import explain_postgres
from exporter.sqlite.explain import explain_sqlite


def explain(
    table: OpenTable, name: TableName, time: SourceColumn, statement: Statement, *, dialect: str
) -> Explained | None:
    """Return the plan; None for a database whose plans Penstock can't read.

    Asked on the connection that reads: on another one it would wait behind an ALTER that waits for us.
    """
    match dialect:
        case "postgresql":
            return explain_postgres(table.fetch, statement, time.name)
        case "mysql" | "mariadb":
            return explain_mysql(table.fetch, name, statement, time.name, dialect=dialect)
        case "sqlite":
            return explain_sqlite(table.fetch, name, statement, time.name)
    return None
