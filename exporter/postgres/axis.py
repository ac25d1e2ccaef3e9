"""Chooses what a PostgreSQL window is cut along.

The time column where a B-tree leads to it, else an integer primary key.
"""

from __future__ import annotations

from sqlalchemy import types as sql

from exporter.port.catalogue import Catalogue
from exporter.port.sliced_source import Axis, time_axis
from exporter.port.source import Statement
from exporter.postgres.table import PostgresTable
from exporter.postgres.types import base_type

_LEADING = """
SELECT a.attname
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am am ON am.oid = c.relam
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = to_regclass(%s) AND am.amname = 'btree' AND i.indisvalid AND i.indpred IS NULL
"""


def plan_axis(table: PostgresTable, catalogue: Catalogue, statement: Statement) -> Axis | str:
    """Return the axis, or why there is none."""
    leading = {catalogue.quote(str(name)) for (name,) in catalogue.rows(_LEADING, table.table_sql)}
    is_indexed = statement.time in leading
    rows = table.estimate(statement).rows
    if is_indexed and (along_time := time_axis(statement, expected_rows=rows)):
        return along_time
    key = catalogue.primary_key(table.table)
    types = {column.name: base_type(column.type) for column in catalogue.columns(table.table)}
    if len(key) == 1 and isinstance(types[key[0]], sql.Integer):
        return _key_axis(table, catalogue.quote(key[0]), statement, rows, is_indexed=is_indexed)
    if is_indexed:
        return f"{statement.time} is a date, which can't be cut, and there is no integer primary key to cut along"
    return f"no index begins with {statement.time}, and there is no integer primary key to cut along"


def _key_axis(table: PostgresTable, key: str, statement: Statement, rows: int, *, is_indexed: bool) -> Axis:
    """Cut along the keys of the window's rows, where the time column's index finds them, else of the whole table."""
    # OFFSET 0 keeps the planner from walking along the key from the table's first row until one of the window comes.
    rows_of = f"(SELECT {key} FROM {statement.table} WHERE {statement.window()} OFFSET 0) AS w"  # noqa: S608 - quoted
    ends = f"SELECT min({key}), max({key}) FROM {rows_of if is_indexed else statement.table}"  # noqa: S608 - quoted
    ((least, greatest),) = table.fetch(ends)
    where = "the window's rows" if is_indexed else "the whole table"
    proof = f"least and greatest key of {where}, asked before the first slice; the seal looks for any outside"
    if least is None or greatest is None:
        return Axis("key", key, 0, 0, proof)
    return Axis("key", key, int(str(least)), int(str(greatest)) + 1, proof, expected_rows=rows)
