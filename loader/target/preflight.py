"""Looks at target and ledger before anything is written.

Every reason to refuse is an InputError.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from loader.target.database import Database
from loader.target.errors import ReadOnlyError
from loader.target.fit import check_types
from loader.target.ledger import check_ledger, ledger_name
from loader.target.sql import DAY, HOUR, Staged, window_column
from loader.target.table import Column, Kind, Table
from staging.config.pipeline import Pipeline
from staging.errors import InputError
from staging.window import Span

_INIT = "Run `penstock init`, which creates what is missing and says the DDL."


@dataclass(frozen=True, slots=True)
class Target:
    """Target and ledger, fit to be loaded.

    `day` is the column that says a row's window: `day`, or `hour`. `columns` are the target's own by the output's
    names, the key's first. `key` are those of them that are unique together within a day, `values` all others but the
    day.
    """

    table: Table
    ledger: Table
    day: Column
    columns: dict[str, Column]
    key: tuple[Column, ...]
    values: tuple[Column, ...]


def check_target(database: Database, pipeline: Pipeline, schema: pl.Schema, key: Sequence[str]) -> Target:
    """Return the target if a day with this output fits it.

    InputError if not. In `schema` the columns of `key` come first. Writes nothing.
    """
    target = find_target(database, pipeline, schema, key)
    _check_writable(database, target)
    return target


def find_target(database: Database, pipeline: Pipeline, schema: pl.Schema, key: Sequence[str]) -> Target:
    """Return the target if its shape fits this output; InputError if not.

    Asks for no right to write.
    """
    table, ledger = find_tables(database, pipeline)
    columns = {name: _column(table, name) for name in schema}
    span = pipeline.source.window
    day = _column(table, name := window_column(span))
    if day in columns.values():
        raise InputError(
            f"The output has a column {name}.",
            why=f"The loader fills it with {'when the hour begins' if span == 'hour' else 'the business day'}.",
            fix="Rename it in the transform.",
        )
    check_types(schema, tuple(columns.values()))
    _check_day(day, span)
    ours = tuple(columns.values())
    target = Target(table, ledger, day, columns, ours[: len(key)], ours[len(key) :])
    _check_unique_key(table, day, target.key)
    _check_other_columns(table, {day, *columns.values()})
    _check_swaps(target, {day, *columns.values()})
    return target


def find_tables(database: Database, pipeline: Pipeline) -> tuple[Table, Table]:
    """Return target and ledger.

    InputError where one is missing or is no table that takes rows.
    """
    schema, name = pipeline.target.table_parts()
    shown = f"{schema}.{name}" if schema else name
    table = database.find_table(schema, name)
    if table is None:
        raise InputError(
            f"There is no table {shown} in the target database.",
            why=f"{database.name} does not know it, or not for this user.",
            fix=_INIT,
        )
    if table.fault:
        raise InputError(
            f"{shown} can't be the target.", why=table.fault, fix="Name a table that takes rows in target.table."
        )
    ledger_schema, ledger = ledger_name(pipeline, table.schema)
    found = database.find_table(ledger_schema, ledger)
    return table, check_ledger(found, f"{ledger_schema}.{ledger}", pipeline.source.window)


def _column(table: Table, name: str) -> Column:
    if (column := table.column(name)) is None:
        has = ", ".join(each.name for each in table.columns)
        raise InputError(
            f"{table.name} has no column {name}.",
            why=f"It has {has}.",
            fix="Add the column, or name another table in target.table.",
        )
    return column


def _check_day(day: Column, span: Span) -> None:
    if span == "hour":
        _check_hour(day)
        return
    if Kind.DATE not in day.accepts or day.generated:
        raise InputError(
            f"The column {DAY} is {day.declared}.",
            why="It holds the business day, a date.",
            fix="Declare it DATE (TEXT in SQLite).",
        )


def _check_hour(hour: Column) -> None:
    if Kind.INSTANT not in hour.accepts or hour.generated or hour.pads:
        raise InputError(
            f"The column {HOUR} is {hour.declared}.",
            why="It holds when the hour begins, an instant.",
            fix="Declare it TIMESTAMP WITH TIME ZONE (DATETIME in MySQL and MariaDB, TEXT in SQLite).",
        )


def _check_unique_key(table: Table, day: Column, key: Sequence[Column]) -> None:
    wanted = frozenset({*(column.name for column in key), day.name})
    narrower = [unique for unique in table.unique_keys if unique < wanted]
    if wanted not in table.unique_keys or narrower:
        has = "; ".join(f"unique ({', '.join(sorted(unique))})" for unique in table.unique_keys) or "no unique key"
        unique_key = ", ".join([day.name, *(column.name for column in key)])
        raise InputError(
            f"{table.name} has another unique key than ({unique_key}).",
            why=f"It has {has}. One row per key and day is what the loader keeps.",
            fix=f"Make ({unique_key}) its primary key, and no part of it unique alone.",
        )


def _check_other_columns(table: Table, ours: set[Column]) -> None:
    others = [c.name for c in table.columns if c not in ours and not (c.nullable or c.has_default or c.generated)]
    if others:
        raise InputError(
            f"{table.name} has columns that the loader can't fill: {', '.join(others)}.",
            why="They are NOT NULL and have no default.",
            fix="Give them a default, or let the transform return them.",
        )


def _check_swaps(target: Target, ours: set[Column]) -> None:
    """Where changed rows are deleted and inserted, values in columns that are not ours would be lost."""
    others = [column.name for column in target.table.beside(ours)]
    if others and Staged("", target.table, target.key, target.values).may_swap:
        raise InputError(
            f"{target.table.name} has a second unique key over values, and columns that the loader can't fill: "
            f"{', '.join(others)}.",
            why="Rows that hand a unique value on are deleted and inserted, and what those columns hold with them.",
            fix="Drop the second unique key, or keep those columns in another table.",
        )


def _check_writable(database: Database, target: Target) -> None:
    """Run each kind of write for no row, and roll back: this shows missing rights, standbys and read-only servers."""
    sql = database.sql
    table, ledger = sql.of(target.table), sql.of(target.ledger)
    key, day = sql.quote(target.key[0].name), sql.quote(target.day.name)
    fence = sql.quote("fence")
    names = ", ".join(sql.quote(column.name) for column in target.columns.values())
    try:
        database.begin()
        for statement in (
            f"DELETE FROM {table} WHERE 1 = 0",
            f"UPDATE {table} SET {key} = {key} WHERE 1 = 0",
            f"INSERT INTO {table} ({day}, {names}) SELECT {day}, {names} FROM {table} WHERE 1 = 0",
            f"UPDATE {ledger} SET {fence} = {fence} WHERE 1 = 0",
            f"INSERT INTO {ledger} SELECT * FROM {ledger} WHERE 1 = 0",
        ):
            database.execute(statement)
    except ReadOnlyError as error:
        raise InputError(error.what, why=error.why, fix=error.fix) from error
    finally:
        database.rollback()
