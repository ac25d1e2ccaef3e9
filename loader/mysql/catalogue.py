"""What MySQL's and MariaDB's information_schema says of a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from loader.target.table import Column, Kind, Table, integer_range

Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

# information_schema ignores the case of names, whatever the server does with tables; but only the plain
# comparison lets it find one table without opening all of them.
_SAME = "(CAST({0} AS BINARY) = CAST({1} AS BINARY) OR @@lower_case_table_names > 0)"
_TABLE = f"""
SELECT t.table_schema, t.table_name, t.table_type, t.engine, e.transactions
FROM information_schema.tables t LEFT JOIN information_schema.engines e ON e.engine = t.engine
WHERE t.table_schema = COALESCE(%s, DATABASE()) AND t.table_name = %s
  AND {_SAME.format("t.table_schema", "COALESCE(%s, DATABASE())")} AND {_SAME.format("t.table_name", "%s")}
"""
_COLUMNS = """
SELECT column_name AS name, column_type AS declared, data_type AS base, is_nullable = 'YES' AS nullable,
       column_default IS NOT NULL AS has_default, extra AS extra, collation_name AS collation,
       COALESCE(generation_expression, '') <> '' AS is_generated, character_maximum_length AS characters,
       character_octet_length AS octets, numeric_precision AS digits, numeric_scale AS scale,
       datetime_precision AS second_digits
FROM information_schema.columns
WHERE table_schema = %s AND table_name = %s
  AND CAST(table_schema AS BINARY) = CAST(%s AS BINARY) AND CAST(table_name AS BINARY) = CAST(%s AS BINARY)
ORDER BY ordinal_position
"""
_UNIQUE_KEYS = """
SELECT index_name, column_name, sub_part
FROM information_schema.statistics
WHERE table_schema = %s AND table_name = %s
  AND CAST(table_schema AS BINARY) = CAST(%s AS BINARY) AND CAST(table_name AS BINARY) = CAST(%s AS BINARY)
  AND non_unique = 0
"""
_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_LONG_TEXTS = ("tinytext", "text", "mediumtext", "longtext")
_BYTES = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
_ACCEPTS = {
    **dict.fromkeys(_BITS, frozenset({Kind.INTEGER, Kind.BOOLEAN})),
    **dict.fromkeys(("char", "varchar", *_LONG_TEXTS, "enum", "uuid"), frozenset({Kind.TEXT})),
    **dict.fromkeys(_BYTES, frozenset({Kind.BYTES})),
    "decimal": frozenset({Kind.INTEGER, Kind.DECIMAL}),
    "float": frozenset({Kind.FLOAT}),
    "double": frozenset({Kind.FLOAT}),
    "date": frozenset({Kind.DATE}),
    "time": frozenset({Kind.TIME}),
    "datetime": frozenset({Kind.DATETIME, Kind.INSTANT}),
    "timestamp": frozenset({Kind.INSTANT}),
}


class _Row(NamedTuple):
    """A row of `_COLUMNS`."""

    name: str
    declared: str
    base: str
    nullable: int
    has_default: int
    extra: str
    collation: str | None
    is_generated: int
    characters: int | None
    octets: int | None
    digits: int | None
    scale: int | None
    second_digits: int | None


def find_table(query: Query, schema: str | None, name: str) -> Table | None:
    """Return the table that this name means for the connection, or None."""
    found = query(_TABLE, (schema, name, schema, name))
    if not found:
        return None
    schema_name, table_name, kind, engine, transactions = found[0]
    fault = "" if kind in ("BASE TABLE", "SYSTEM VERSIONED") else f"it is a {str(kind).lower()}"
    if not fault and transactions != "YES":
        fault = f"its engine {engine} has no transactions"
    place = (schema_name, table_name, schema_name, table_name)
    unique: dict[str, set[str]] = {}
    whole: dict[str, bool] = {}
    for index, column, sub_part in query(_UNIQUE_KEYS, place):
        unique.setdefault(index, set()).add(column or "")
        whole[index] = whole.get(index, True) and sub_part is None and column is not None
    return Table(
        schema=schema_name,
        name=table_name,
        columns=tuple(_column(row) for row in query(_COLUMNS, place)),
        unique_keys=tuple(frozenset(columns) for index, columns in unique.items() if whole[index]),
        fault=fault,
        folds_case=True,
        is_unique_otherwise=not all(whole.values()),
    )


def _column(row: tuple[Any, ...]) -> Column:
    each = _Row(*row)
    accepts = _ACCEPTS.get(each.base, frozenset())
    if Kind.FLOAT in accepts and each.scale is not None:
        accepts = frozenset()  # FLOAT(M,D) rounds
    low, high = _range(each.base, each.declared)
    is_decimal = each.base == "decimal"
    return Column(
        name=each.name,
        declared=each.declared,
        accepts=accepts,
        nullable=bool(each.nullable),
        has_default=bool(each.nullable) or bool(each.has_default) or "auto_increment" in each.extra.lower(),
        generated=bool(each.is_generated),
        low=low,
        high=high,
        whole_digits=(each.digits or 0) - (each.scale or 0) if is_decimal else None,
        scale=each.scale if is_decimal else None,
        max_characters=each.characters if each.base in ("char", "varchar") else None,
        max_bytes=each.octets if each.base in (*_LONG_TEXTS, *_BYTES) else None,
        second_digits=None if each.base == "date" else each.second_digits,
        pads=each.base in ("char", "binary"),
        single_precision=each.base == "float",
        finite_only=Kind.FLOAT in accepts,
        is_text=each.collation is not None,
        collation=each.collation,
        is_choice=each.base == "enum",
    )


def _range(data_type: str, declared: str) -> tuple[int | None, int | None]:
    signed = re.search(r"\bunsigned\b", declared, re.IGNORECASE) is None
    if data_type in _BITS:
        return integer_range(_BITS[data_type], signed=signed)
    return (None if signed or data_type != "decimal" else 0), None
