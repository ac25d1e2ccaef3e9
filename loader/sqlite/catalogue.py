"""What SQLite's schema says of a table (https://www.sqlite.org/datatype3.html, https://www.sqlite.org/pragma.html)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from loader.target.table import Column, Kind, Table, integer_range

Query = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

_TABLE = """
SELECT name, type, strict FROM pragma_table_list
WHERE schema = 'main' AND name = ? COLLATE NOCASE
"""
_COLUMNS = 'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)'
_INDEXES = 'SELECT name, partial FROM pragma_index_list(?) WHERE "unique"'
_INDEX_COLUMNS = "SELECT name, coll FROM pragma_index_xinfo(?) WHERE key"
_TIMES = frozenset({Kind.DATE, Kind.TIME, Kind.DATETIME, Kind.INSTANT})
_ACCEPTS = {
    "INTEGER": frozenset({Kind.INTEGER, Kind.BOOLEAN}),
    "TEXT": frozenset({Kind.TEXT, Kind.INTEGER, Kind.DECIMAL}) | _TIMES,
    "BLOB": frozenset(Kind),
    "REAL": frozenset({Kind.FLOAT}),
    # '2026-11-14' stays text under NUMERIC, but '10.50' would become the REAL 10.5.
    "NUMERIC": frozenset({Kind.INTEGER, Kind.BOOLEAN}) | _TIMES,
}
_VISIBLE = 0


def find_table(query: Query, schema: str | None, name: str) -> Table | None:
    """Return the table of that name, or None.

    Only the file itself is searched (`main`).
    """
    found = query(_TABLE, (name,)) if schema in (None, "main") else []
    if not found:
        return None
    table_name, kind, strict = found[0]
    rows = query(_COLUMNS, (table_name,))
    primary = frozenset(row[0] for row in rows if row[4])
    unique = [primary] if primary else []
    collations: dict[str, str] = {}
    is_unique_otherwise = False
    for index, partial in query(_INDEXES, (table_name,)):
        columns = query(_INDEX_COLUMNS, (index,))
        if not partial and all(column is not None for column, _ in columns):
            unique.append(frozenset(column for column, _ in columns))
            collations |= dict(columns)
        else:
            is_unique_otherwise = True
    return Table(
        schema="main",
        name=table_name,
        columns=tuple(_column(row, collations.get(row[0]), strict=bool(strict)) for row in rows),
        unique_keys=tuple(unique),
        fault="" if kind == "table" else f"it is a {kind} table" if kind != "view" else "it is a view",
        folds_case=True,
        is_unique_otherwise=is_unique_otherwise,
    )


def affinity_of(declared: str, *, strict: bool) -> str:
    """Return a column's affinity by its declared type (datatype3.html, 3.1)."""
    upper = declared.upper()
    if strict and upper == "ANY":
        return "BLOB"
    for affinity, marks in (
        ("INTEGER", ("INT",)),
        ("TEXT", ("CHAR", "CLOB", "TEXT")),
        ("BLOB", ("BLOB",)),
        ("REAL", ("REAL", "FLOA", "DOUB")),
    ):
        if any(mark in upper for mark in marks):
            return affinity
    return "NUMERIC" if upper else "BLOB"


def _column(row: tuple[Any, ...], collation: str | None, *, strict: bool) -> Column:
    name, declared, not_null, default, _, hidden = row
    affinity = affinity_of(declared, strict=strict)
    low, high = integer_range(64) if affinity in ("INTEGER", "NUMERIC") else (None, None)
    accepts = _ACCEPTS[affinity]
    if strict:  # STRICT checks the type of each value and has no types for time but text
        accepts = {"BLOB": frozenset({Kind.BYTES})}.get(declared.upper(), accepts)
    return Column(
        name=name,
        declared=declared or "no type",
        accepts=accepts,
        nullable=not not_null,
        has_default=default is not None,
        generated=hidden != _VISIBLE,
        low=low,
        high=high,
        no_nan=Kind.FLOAT in accepts,  # sqlite3_bind_double: NaN is NULL
        is_text=affinity in ("TEXT", "BLOB", "NUMERIC"),
        collation=collation,
        affinity=affinity,
    )
