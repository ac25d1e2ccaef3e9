"""Creates the target and ledger tables where they are missing.

Never alters one.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from loader.open_database import open_database
from loader.target.database import Database
from loader.target.ledger import check_ledger, create_ledger_statement, ledger_name
from loader.target.sql import window_column, window_kind
from loader.target.table import kind_of
from staging.config.pipeline import Pipeline
from staging.errors import InputError
from staging.key import show_key
from staging.open_store import open_store
from staging.window import Span


def init_target(pipeline: Pipeline, schema: pl.Schema, key: Sequence[str], *, apply: bool) -> list[str]:
    """Return the DDL that was run (`apply`) or would be.

    Empty when both tables are there. `schema` is the transform's output and `key` its key columns; the target gets
    these columns and `day`, with the primary key (day, key …); of an hourly pipeline it is `hour`, an instant. Raises
    InputError where the database refuses, or another table has the ledger's name, UnavailableError where it is away. A
    target of Parquet files needs nothing but its bucket or folder.
    """
    _check_schema(schema, key, pipeline.source.window)
    if pipeline.target.parquet is not None:
        with open_store(pipeline.target.parquet):
            return []
    with open_database(pipeline, missing="create" if apply else "pretend") as database:
        statements = _missing(database, pipeline, schema, key)
        if apply:
            for statement in statements:
                database.execute(statement)
        return [statement.replace("%%", "%") if database.sql.mark == "%s" else statement for statement in statements]


def create_target_statement(
    database: Database,
    schema_name: str | None,
    table: str,
    schema: pl.Schema,
    key: Sequence[str],
    *,
    span: Span = "day",
) -> str:
    """Return the DDL of the target table.

    Key, day, then the other columns in the output's order.
    """
    sql = database.sql
    types = {name: sql.type_of(dtype, is_key=name in key) for name, dtype in schema.items()}
    columns = [f"{sql.quote(name)} {types[name]} NOT NULL" for name in key]
    window = window_column(span)
    columns.append(f"{sql.quote(window)} {sql.ledger_types()[window_kind(span)]} NOT NULL")
    columns += [f"{sql.quote(name)} {types[name]}" for name in schema if name not in key]
    name = sql.qualified(schema_name, table) if schema_name else sql.quote(table)
    primary = f"PRIMARY KEY ({', '.join(sql.quote(name) for name in (window, *key))})"
    return f"CREATE TABLE {name} ({', '.join(columns)}, {primary}){sql.table_options()}"


def _missing(database: Database, pipeline: Pipeline, schema: pl.Schema, key: Sequence[str]) -> list[str]:
    schema_name, table = pipeline.target.table_parts()
    found = database.find_table(schema_name, table)
    span = pipeline.source.window
    statements = [] if found else [create_target_statement(database, schema_name, table, schema, key, span=span)]
    place = found.schema if found else schema_name
    ledger_schema, ledger = ledger_name(pipeline, place)
    if (kept := database.find_table(ledger_schema, ledger)) is None:
        statements.append(create_ledger_statement(database.sql, ledger_schema, ledger, span))
    else:
        check_ledger(kept, f"{ledger_schema}.{ledger}", span)
    return statements


def _check_schema(schema: pl.Schema, key: Sequence[str], span: Span) -> None:
    window = window_column(span)
    if not set(key) <= schema.keys() or window in (name.casefold() for name in schema):
        raise InputError(
            f"The output can't become a table: it has {', '.join(schema)}.",
            why=f"It needs the key {show_key(key)} and no column {window}, which the loader fills.",
            fix="Rename the column in the transform.",
        )
    for name, dtype in schema.items():
        try:
            kind_of(dtype)
        except KeyError as exc:
            raise InputError(f"The output's column {name} has type {dtype}, which no part can have.") from exc
