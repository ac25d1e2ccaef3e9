"""Chooses what a PostgreSQL window is cut along.

The time column where a B-tree leads to it, else an integer primary key. A table without a time: an index of its key.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from sqlalchemy import types as sql

from exporter.port.axis import Axis, time_axis
from exporter.port.catalogue import Catalogue
from exporter.port.source import KeyIndex, SourceColumn, Statement
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
    """Cut along the keys of the window's rows if the time column's index finds them, else of the whole table."""
    # OFFSET 0 keeps the planner from walking along the key from the table's first row to the first of the window.
    rows_of = f"(SELECT {key} FROM {statement.table} WHERE {statement.window()} OFFSET 0) AS w"  # noqa: S608 - quoted
    ends = f"SELECT min({key}), max({key}) FROM {rows_of if is_indexed else statement.table}"  # noqa: S608 - quoted
    ((least, greatest),) = table.fetch(ends)
    where = "the window's rows" if is_indexed else "the whole table"
    proof = f"least and greatest key of {where}, asked before the first slice; the seal looks for any outside"
    if least is None or greatest is None:
        return Axis("key", key, 0, 0, proof)
    return Axis("key", key, int(str(least)), int(str(greatest)) + 1, proof, expected_rows=rows)


_KEY_INDEXES = """
SELECT i.indexrelid::bigint, array_agg(a.attname::text ORDER BY p.place),
       bool_and(p.place_collation = a.attcollation AND o.opcdefault AND p.option IN (0, 3)
                AND p.option = i.indoption[0])
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am am ON am.oid = c.relam
CROSS JOIN LATERAL ROWS FROM (
    unnest(i.indkey::int2[]), unnest(i.indcollation::oid[]), unnest(i.indclass::oid[]), unnest(i.indoption::int2[])
) WITH ORDINALITY AS p (attnum, place_collation, opclass, option, place)
LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = p.attnum AND a.attnum > 0
LEFT JOIN pg_opclass o ON o.oid = p.opclass
WHERE i.indrelid = to_regclass(%s) AND am.amname = 'btree' AND i.indisvalid AND i.indpred IS NULL AND p.place <= %s
GROUP BY i.indexrelid
ORDER BY i.indexrelid
"""
"""B-trees of a table, the first columns of each, and whether they are in the order of `ORDER BY` on these columns.

That needs the column's own collation, its type's own order and one direction: 0 is ASC NULLS LAST, 3 its reverse.
(PostgreSQL manual, 11.8 and 53.26)
"""

_BASE_TYPES = """
WITH RECURSIVE made_of AS (
    SELECT a.attname, a.atttypid AS type
    FROM pg_attribute a WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT m.attname, t.typbasetype FROM made_of m JOIN pg_type t ON t.oid = m.type WHERE t.typtype = 'd'
)
SELECT m.attname::text, format_type(m.type, -1)
FROM made_of m
JOIN pg_type t ON t.oid = m.type AND t.typtype <> 'd'
"""
"""Columns and their types, for a domain its base type: its own checks would refuse keys that no row has."""


def find_key_index(
    table: PostgresTable, catalogue: Catalogue, key: Sequence[str], like: Sequence[SourceColumn]
) -> KeyIndex | str:
    """Return an index that finds and orders keys, or why not."""
    columns = {column.name: column for column in catalogue.columns(table.table)}
    for name, other in zip(key, like, strict=bool(like)):
        is_strict = isinstance(base_type(columns[name].type), sql.Uuid | sql.Enum)
        if is_strict and other.source_type != columns[name].source_type:
            return f"its key {name} is {columns[name].source_type}, and a text of {other.name} need be no value of that"
    found = catalogue.rows(_KEY_INDEXES, table.table_sql, len(key))
    order = next((names for _, names, serves in found if serves and set(names) == set(key)), None)
    if order is None:
        return f"no index begins with its key {', '.join(key)}"
    types = {name: f"{type_}[]" for name, type_ in catalogue.rows(_BASE_TYPES, table.table_sql)}
    return KeyIndex(
        columns=tuple(columns[name].quoted for name in order),
        places=tuple(key.index(name) for name in order),
        spell=(_spell,) * len(order),
        array_types=tuple(types[name] for name in order),
    )


def _spell(value: int | Decimal | str | bytes) -> str:
    """Write a literal without a type: it takes that of what it is compared with."""
    if isinstance(value, bytes):
        return rf"'\x{value.hex()}'"
    return "'" + str(value).replace("'", "''") + "'"
