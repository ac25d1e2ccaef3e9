"""Proposes how an existing target table could take the transform's output.

Nobody runs it: a table that holds data is altered by its owner.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from loader.open_database import open_database
from loader.target.database import Database
from loader.target.sql import window_column, window_kind
from loader.target.table import Column, Table, kind_of
from staging.config.pipeline import Pipeline
from staging.window import Span

_RETYPE = {
    "PostgreSQL": "ALTER TABLE {table} ALTER COLUMN {column} TYPE {type} USING {column}::{type}",
    "MySQL": "ALTER TABLE {table} MODIFY COLUMN {column} {type}{null}",
    "MariaDB": "ALTER TABLE {table} MODIFY COLUMN {column} {type}{null}",
}
"""SQLite changes no column's type."""


def propose_changes(pipeline: Pipeline, schema: pl.Schema, key: Sequence[str]) -> list[str]:
    """Return the ALTER TABLE statements that would help.

    None where there is no table, or all fits. For each column of the output that the table lacks, or whose type can't
    hold it. A column of the key can't be added to rows that are there, so it comes without NOT NULL, and the primary
    key is the owner's to change.
    """
    if pipeline.target.parquet is not None:
        return []
    with open_database(pipeline, missing="pretend") as database:
        schema_name, name = pipeline.target.table_parts()
        table = database.find_table(schema_name, name)
        return [] if table is None else list(_changes(database, table, schema, key, pipeline.source.window))


def _changes(database: Database, table: Table, schema: pl.Schema, key: Sequence[str], span: Span) -> Iterator[str]:
    sql = database.sql
    place = sql.qualified(table.schema, table.name) if table.schema else sql.quote(table.name)
    types = {name: sql.type_of(dtype, is_key=name in key) for name, dtype in schema.items()}
    if table.column(window := window_column(span)) is None:
        yield f"ALTER TABLE {place} ADD COLUMN {sql.quote(window)} {sql.ledger_types()[window_kind(span)]}"
    for name, dtype in schema.items():
        column = table.column(name)
        if column is None:
            yield f"ALTER TABLE {place} ADD COLUMN {sql.quote(name)} {types[name]}"
        elif not _can_hold(column, dtype) and (retype := _RETYPE.get(database.name)) is not None:
            null = "" if column.nullable else " NOT NULL"
            yield retype.format(table=place, column=sql.quote(column.name), type=types[name], null=null)


def _can_hold(column: Column, dtype: pl.DataType) -> bool:
    """Whether the type can hold such values at all, with all digits of the output's type."""
    if kind_of(dtype) not in column.accepts or (column.single_precision and dtype == pl.Float64):
        return False
    if not isinstance(dtype, pl.Decimal):
        return True
    whole = (dtype.precision or 0) - dtype.scale
    return (column.scale is None or column.scale >= dtype.scale) and (
        column.whole_digits is None or column.whole_digits >= whole
    )
