"""The ledger: one row per target table and day.

It alone decides what is loaded. It lies in the schema of the target table, so that one transaction holds both. Instants
are UTC; `totals` is a JSON object of exact decimals as text; `digest` is `loader.target.row_text`'s.
"""

from __future__ import annotations

import json
from dataclasses import astuple, dataclass, fields
from datetime import date, datetime

from loader.target.database import Database
from loader.target.sql import SqlText, window_column, window_kind
from loader.target.table import Table
from staging.config.pipeline import Pipeline
from staging.errors import InputError, IntegrityError
from staging.key import show_key
from staging.window import Span, span_of

_UNLOADED_FENCE = -1
_TYPES = {
    "target_schema": "name",
    "target_table": "name",
    "day": "day",  # of an hourly pipeline `hour`, an instant: see `_columns`
    "pipeline": "name",
    "head_id": "name",
    "fence": "count",
    "run_id": "name",
    "export_id": "name",
    "as_of": "instant",
    "window_start": "instant",
    "window_end": "instant",
    "loaded_rows": "count",
    "totals": "text",
    "digest": "name",
    "loaded_at": "instant",
}


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What is loaded for one target table and day.

    By whom, and out of what. Fields are in the table's order.
    """

    target_schema: str
    target_table: str
    day: date
    pipeline: str
    head_id: str
    fence: int
    run_id: str
    export_id: str
    as_of: datetime
    window_start: datetime
    window_end: datetime
    loaded_rows: int
    totals: dict[str, str]
    digest: str
    loaded_at: datetime

    def says_what(self, other: LedgerRow) -> bool:
        """Return whether both describe the same load of the same content.

        When it was does not matter.
        """
        mine, others = (
            (row.run_id, row.fence, row.export_id, row.digest, row.loaded_rows, row.totals) for row in (self, other)
        )
        return mine == others


def ledger_name(pipeline: Pipeline, target_schema: str | None) -> tuple[str | None, str]:
    """Return schema and name of the ledger.

    The target's schema, unless `target.ledger` names another.
    """
    schema, name = pipeline.ledger_parts()
    return schema or target_schema, name


def _columns(span: Span) -> dict[str, str]:
    """Return the kinds of a ledger's columns by name, in the order of a row's fields."""
    of_window = window_column(span), window_kind(span)
    return dict(of_window if name == "day" else (name, kind) for name, kind in _TYPES.items())


def _key(span: Span) -> tuple[str, ...]:
    return "target_schema", "target_table", window_column(span)


def create_ledger_statement(sql: SqlText, schema: str | None, name: str, span: Span = "day") -> str:
    """Return the DDL."""
    types = sql.ledger_types()
    columns = [f"{sql.quote(column)} {types[kind]} NOT NULL" for column, kind in _columns(span).items()]
    key = ", ".join(sql.quote(column) for column in _key(span))
    table = sql.qualified(schema, name) if schema else sql.quote(name)
    return f"CREATE TABLE {table} ({', '.join(columns)}, PRIMARY KEY ({key})){sql.table_options()}"


def check_ledger(table: Table | None, shown: str, span: Span = "day") -> Table:
    """Return the ledger's table if it can be used; InputError if not."""
    if table is None:
        raise InputError(
            f"There is no ledger {shown}.", why="The loader keeps there what is loaded.", fix="Run `penstock init`."
        )
    missing = [name for name in _columns(span) if table.column(name) is None]
    if table.fault or missing or frozenset(_key(span)) not in table.unique_keys:
        why = table.fault or (
            f"it lacks {', '.join(missing)}" if missing else f"it lacks the primary key {show_key(_key(span))}"
        )
        raise InputError(
            f"{shown} can't be the ledger.", why=why, fix="Name another table in target.ledger, then `penstock init`."
        )
    return table


def read_ledger_row(
    database: Database, ledger: Table, target: Table, day: date, *, lock: bool = False
) -> LedgerRow | None:
    """Return the day's row, or None.

    `lock`: hold it until the transaction ends.
    """
    sql = database.sql
    columns = ", ".join(sql.quote(name) for name in _columns(span_of(day)))
    where = f"{sql.quote('target_schema')} = {sql.mark} AND {sql.quote('target_table')} = {sql.mark}"
    found = database.query(
        f"SELECT {columns} FROM {sql.of(ledger)} WHERE {where} AND {sql.day_column(day)} = {sql.day(day)}"
        f"{sql.row_lock if lock else ''}",
        (target.schema, target.name),
    )
    row = _parse(sql, found[0], day) if found else None
    return None if row is None or row.fence == _UNLOADED_FENCE else row


def lock_ledger_row(database: Database, ledger: Table, ours: LedgerRow, target: Table) -> LedgerRow | None:
    """Return the day's row, or None, and hold its lock.

    Where there is none, a row of ours holds the place. Inside a transaction. Two loaders of a first day meet at that
    row: the second one's insert waits for the first.
    """
    if (found := read_ledger_row(database, ledger, target, ours.day, lock=True)) is not None:
        return found
    values = _values(database.sql, ours, fence=_UNLOADED_FENCE)
    span = span_of(ours.day)
    add = database.sql.add_row_unless_there(database.sql.of(ledger), list(_columns(span)), _key(span))
    database.execute(add, values)
    return read_ledger_row(database, ledger, target, ours.day, lock=True)


def write_ledger_row(database: Database, ledger: Table, ours: LedgerRow) -> None:
    """Replace the row that `lock_ledger_row` holds."""
    sql, span = database.sql, span_of(ours.day)
    key = _key(span)
    rest = [name for name in _columns(span) if name not in key]
    changes = ", ".join(f"{sql.quote(name)} = {sql.mark}" for name in rest)
    where = " AND ".join(f"{sql.quote(name)} = {sql.mark}" for name in key)
    values = dict(zip(_columns(span), _values(sql, ours), strict=True))
    written = database.execute(
        f"UPDATE {sql.of(ledger)} SET {changes} WHERE {where}",
        [values[name] for name in (*rest, *key)],
    )
    if written > 1:
        raise IntegrityError(
            "The ledger holds a day twice.", why=f"{written} rows were written.", fix="Look at its primary key."
        )


def _values(sql: SqlText, row: LedgerRow, *, fence: int | None = None) -> list[object]:
    values: list[object] = []
    for field, value in zip(fields(row), astuple(row), strict=True):
        kind = _TYPES[field.name]
        if kind == "instant":
            values.append(sql.instant(value))
        elif field.name == "totals":
            values.append(json.dumps(value))
        elif kind == "day":
            values.append(sql.day_value(value))
        else:
            values.append(fence if field.name == "fence" and fence is not None else value)
    return values


def _parse(sql: SqlText, row: tuple[object, ...], day: date) -> LedgerRow:
    values = dict(zip(_TYPES, row, strict=True))
    for name, kind in _TYPES.items():
        if kind == "instant":
            values[name] = sql.parse_instant(values[name])
    try:
        totals = json.loads(str(values["totals"]))
        return LedgerRow(**(values | {"day": day, "totals": {str(k): str(v) for k, v in totals.items()}}))  # type: ignore[arg-type] # as the columns say
    except (ValueError, AttributeError, TypeError) as exc:
        raise IntegrityError(
            f"The ledger's row of {day} can't be read.", why=str(exc), fix="Somebody changed it by hand; correct it."
        ) from exc
