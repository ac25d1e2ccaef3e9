"""What PostgreSQL's catalogue says of a table (https://www.postgresql.org/docs/current/catalogs.html)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from loader.target.table import Column, Kind, Table, integer_range

Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

_TABLE = """
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence,
       EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND CASE WHEN %s::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname = %s END
"""
_COLUMNS = """
WITH RECURSIVE bases AS (  -- each column's type, and through domains what they are made of
    SELECT a.attnum, a.atttypmod AS modifier, t.typname, t.typtype, t.typbasetype, t.typtypmod, t.typnotnull
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT d.attnum, d.typtypmod, t.typname, t.typtype, t.typbasetype, t.typtypmod, d.typnotnull OR t.typnotnull
    FROM bases d JOIN pg_catalog.pg_type t ON t.oid = d.typbasetype WHERE d.typtype = 'd'
)
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
       CASE b.typtype WHEN 'e' THEN 'enum' ELSE b.typname END, b.modifier,
       a.attnotnull OR b.typnotnull,
       a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
       a.attgenerated <> '' OR a.attidentity = 'a'
FROM bases b
JOIN pg_catalog.pg_attribute a ON a.attrelid = %s AND a.attnum = b.attnum
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE b.typtype <> 'd'
ORDER BY a.attnum
"""
_UNIQUE_KEYS = """
SELECT i.indexrelid, a.attname
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_attribute a
  ON a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])
WHERE i.indrelid = %s AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL
"""
_UNIQUE_OTHERWISE = """
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_index i
    WHERE i.indrelid = %s AND (i.indisunique OR i.indisexclusion) AND i.indimmediate
      AND (i.indisexclusion OR i.indpred IS NOT NULL OR i.indexprs IS NOT NULL)
)
"""
_KINDS = {"r": "", "p": "", "v": "it is a view", "m": "it is a materialized view", "f": "it is a foreign table"}


@dataclass(frozen=True, slots=True)
class _Room:
    """What a type holds, before its modifier is looked at."""

    accepts: frozenset[Kind]
    bits: int | None = None


_ROOMS = {
    "int2": _Room(frozenset({Kind.INTEGER}), 16),
    "int4": _Room(frozenset({Kind.INTEGER}), 32),
    "int8": _Room(frozenset({Kind.INTEGER}), 64),
    "numeric": _Room(frozenset({Kind.INTEGER, Kind.DECIMAL})),
    "float4": _Room(frozenset({Kind.FLOAT})),
    "float8": _Room(frozenset({Kind.FLOAT})),
    "text": _Room(frozenset({Kind.TEXT})),
    "varchar": _Room(frozenset({Kind.TEXT})),
    "bpchar": _Room(frozenset({Kind.TEXT})),
    "citext": _Room(frozenset({Kind.TEXT})),
    "uuid": _Room(frozenset({Kind.TEXT})),
    "enum": _Room(frozenset({Kind.TEXT})),
    "bytea": _Room(frozenset({Kind.BYTES})),
    "bool": _Room(frozenset({Kind.BOOLEAN})),
    "date": _Room(frozenset({Kind.DATE})),
    "time": _Room(frozenset({Kind.TIME})),
    "timestamp": _Room(frozenset({Kind.DATETIME})),
    "timestamptz": _Room(frozenset({Kind.INSTANT})),
}
_TEXTS = ("text", "varchar", "bpchar", "citext")
_VARHDRSZ = 4  # a modifier of numeric, varchar and char counts the four bytes of a value's header


def find_table(query: Query, schema: str | None, name: str) -> Table | None:
    """Return the table that this name means for the connection, or None."""
    found = query(_TABLE, (name, schema, schema))
    if not found:
        return None
    oid, schema_name, table_name, kind, persistence, has_children = found[0]
    unique: dict[int, set[str]] = {}
    for index, column in query(_UNIQUE_KEYS, (oid,)):
        unique.setdefault(index, set()).add(column)
    return Table(
        schema=schema_name,
        name=table_name,
        columns=tuple(_column(row) for row in query(_COLUMNS, (oid, oid))),
        unique_keys=tuple(frozenset(columns) for columns in unique.values()),
        fault=_fault(kind, is_temporary=persistence == "t", has_children=has_children),
        is_unique_otherwise=query(_UNIQUE_OTHERWISE, (oid,))[0][0],
    )


def _fault(kind: str, *, is_temporary: bool, has_children: bool) -> str:
    """Return why it can't be loaded, or "".

    A unique key of a partitioned table holds for all of its rows. If other tables inherit from a table, its unique key
    holds only for its own rows, while statements on it include theirs: a key could be there twice, and another one be
    missing for it.
    """
    if is_temporary:
        return "it is temporary"
    if kind == "r" and has_children:
        return "other tables inherit from it, and its unique key does not hold for their rows"
    return _KINDS[kind]


def _column(row: tuple[Any, ...]) -> Column:
    name, declared, base, modifier, not_null, has_default, generated = row
    room = _ROOMS.get(base, _Room(frozenset()))
    low, high = integer_range(room.bits) if room.bits else (None, None)
    whole_digits, scale = _numeric(modifier) if base == "numeric" else (None, None)
    return Column(
        name=name,
        declared=declared,
        accepts=room.accepts,
        nullable=not not_null,
        has_default=has_default,
        generated=generated,
        low=low,
        high=high,
        whole_digits=whole_digits,
        scale=scale,
        max_characters=modifier - _VARHDRSZ if base in ("varchar", "bpchar") and modifier >= _VARHDRSZ else None,
        second_digits=modifier if base in ("time", "timestamp", "timestamptz") and modifier >= 0 else None,
        pads=base == "bpchar",
        single_precision=base == "float4",
        no_nul=base in _TEXTS,
        is_text=base in _TEXTS,
    )


def _numeric(modifier: int) -> tuple[int | None, int | None]:
    """Return digits before the point and behind it (`numeric_in` in the server's numeric.c); None: no limit."""
    if modifier < _VARHDRSZ:
        return None, None
    packed = modifier - _VARHDRSZ
    precision, scale = (packed >> 16) & 0xFFFF, ((packed & 0x7FF) ^ 1024) - 1024
    return precision - scale, scale
