"""The table `purchases` that most tests read, on any server: who bought, when, for how much."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.shop.tables import Database

_INSTANT = {"sqlite": "timestamp", "postgresql": "timestamptz"}
_INSTANT_OF_MYSQL = "timestamp(6)"


def create_purchases(
    database: Database | str,
    rows: Iterable[tuple[Any, ...]] = (),
    *,
    columns: Mapping[str, str | None] | None = None,
    more: str = "",
    index: bool = True,
) -> Database:
    """Create the table with these rows, and an index on its time; return the database.

    `columns` says how a column is declared, in place of `id` (the primary key), `user_id`, `purchased_at` (an instant)
    and `amount`, or after them; None leaves one out. Where it names all four, its order is the table's. `more` follows
    the columns. A row has a value for each column, in that order; instants, wall clocks and decimals may be Python's.
    """
    database = Database(database) if isinstance(database, str) else database
    usual: dict[str, str | None] = {
        "id": "bigint PRIMARY KEY",
        "user_id": "bigint NOT NULL",
        "purchased_at": f"{_INSTANT.get(database.dialect, _INSTANT_OF_MYSQL)} NOT NULL",
        "amount": "decimal(12,2) NOT NULL",
    }
    declared = usual | dict(columns or {})
    if columns and usual.keys() <= columns.keys():
        declared = dict(columns)
    names = ", ".join(f"{database.quote(name)} {kind}" for name, kind in declared.items() if kind is not None)
    made = [(f"CREATE TABLE purchases ({names}{more})", None)]
    indexed = [("CREATE INDEX by_time ON purchases (purchased_at)", None)] if index else []
    database.execute_all(*made, *indexed, *_inserting(database, rows))
    return database


def insert_purchases(database: Database, rows: Iterable[tuple[Any, ...]]) -> None:
    """Add rows; each has a value for each column."""
    database.execute_all(*_inserting(database, rows))


def _inserting(
    database: Database, rows: Iterable[tuple[Any, ...]]
) -> list[tuple[str, list[tuple[object, ...]] | None]]:
    made: list[tuple[object, ...]] = [tuple(_bound(database, value) for value in row) for row in rows]
    if not made:
        return []
    holes = ", ".join(["?" if database.dialect == "sqlite" else "%s"] * len(made[0]))
    return [(f"INSERT INTO purchases VALUES ({holes})", made)]


def _bound(database: Database, value: object) -> object:
    """Return what the driver takes: SQLite has neither instants nor decimals, MySQL's family no zone."""
    if isinstance(value, datetime) and database.dialect != "postgresql":
        naive = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return naive.isoformat(sep=" ", timespec="microseconds") if database.dialect == "sqlite" else naive
    return str(value) if isinstance(value, Decimal) and database.dialect == "sqlite" else value
