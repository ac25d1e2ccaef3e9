"""Refuses a read that needs a full scan.

The database would go through the whole table to find one day. A scan is refused when all of this is true: the plan
reads a table from end to end; no partition is left out; no index on the time column could be used instead (where one
could, the database's own choice is respected: the day is most of the table); and the table has more than
`SMALL_TABLE_ROWS` rows, by the database's estimate.
"""

from __future__ import annotations

from exporter.port.explained import Explained, WholeScan
from exporter.port.question import DayQuestion, PlannedRead
from exporter.port.source import OpenTable, SourceColumn, TableName
from exporter.refuse.explain import explain
from staging.errors import InputError

SMALL_TABLE_ROWS = 100_000
_MYSQL_NAME_CHARACTERS = 64


def check_full_scan(question: DayQuestion, read: PlannedRead, table: OpenTable, dialect: str) -> Explained | None:
    """Return the plan of the read.

    InputError, with the index to create, unless `export.allow_full_scan` is set.
    """
    explained = explain(table, question.table(), read.time, read.statement, dialect=dialect)
    scan = find_full_scan(explained)
    if scan is not None and not question.pipeline.export.allow_full_scan:
        raise refuse_full_scan(scan, question.table(), read, dialect)
    return explained


def find_full_scan(explained: Explained | None) -> WholeScan | None:
    """Return the full scan to refuse, or None.

    None where the plan is fine or not known.
    """
    if explained is None or explained.is_pruned:
        return None
    return next((scan for scan in explained.whole if not scan.by_choice and scan.rows > SMALL_TABLE_ROWS), None)


def refuse_full_scan(scan: WholeScan, name: TableName, read: PlannedRead, dialect: str) -> InputError:
    """Return what to say."""
    time = read.time
    behind = "" if scan.table == name.table else f", which {name} is read from"
    return InputError(
        f"Finding one day would scan the whole table {scan.table}{behind}: some {scan.rows:,} rows.",
        why=f"No index begins with {time.name}, and no partition can be left out.",
        fix=f"{plan_index(scan, name, time, read.statement.table, dialect)} "
        "Or allow it: export.allow_full_scan = true.",
    )


def plan_index(scan: WholeScan, name: TableName, time: SourceColumn, table_sql: str, dialect: str) -> str:
    """Return the statement that creates the missing index.

    The shop goes on meanwhile. The statement can be run as it is.
    """
    if scan.table != name.table:
        return f"Create an index on the column of {scan.table} that {time.name} is."
    if dialect == "postgresql" and scan.parts:
        # Not concurrently on the whole table; it takes over its partitions' indexes, and is quick then.
        return (
            f"CREATE INDEX CONCURRENTLY ON each partition ({time.quoted}), "
            f"then CREATE INDEX ON {table_sql} ({time.quoted});"
        )
    if dialect == "postgresql":
        return f"CREATE INDEX CONCURRENTLY ON {table_sql} ({time.quoted});"
    quote = time.quoted[0]
    index = quote + f"{name.table}_{time.name}".replace(quote, "")[:_MYSQL_NAME_CHARACTERS] + quote
    if dialect == "sqlite":
        schema, dot, bare = table_sql.rpartition(f"{quote}.{quote}")
        return f"CREATE INDEX {schema}{dot and quote + '.'}{index} ON {dot and quote}{bare} ({time.quoted});"
    return f"CREATE INDEX {index} ON {table_sql} ({time.quoted}) ALGORITHM=INPLACE LOCK=NONE;"
