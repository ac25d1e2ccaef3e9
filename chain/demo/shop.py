"""Fills a database with the demo shop.

Tables users and purchases, quickly, on SQLite, PostgreSQL, MySQL or MariaDB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import polars as pl
from sqlalchemy import Connection, Engine, create_engine, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from chain.demo.rows import Shop, make_purchases, make_users
from loader.target.url import parse_database_url
from staging.errors import InputError, UnavailableError

TABLES = ("users", "purchases", "revenue")
_BATCH_ROWS = 50_000

_DRIVERS = dict.fromkeys(("postgresql", "postgres"), "postgresql+psycopg")
_DRIVERS |= dict.fromkeys(("mysql", "mariadb"), "mysql+pymysql")
_COLUMN_TYPES = {
    "sqlite": {"big": "BIGINT", "id": "INTEGER", "time": "DATETIME"},
    "postgresql": {"big": "BIGINT", "id": "BIGINT", "time": "TIMESTAMP WITH TIME ZONE"},
    "mysql": {"big": "BIGINT", "id": "BIGINT", "time": "DATETIME"},
}
_USERS = """
CREATE TABLE {prefix}users (
  user_id {id} NOT NULL PRIMARY KEY,
  name VARCHAR(40) NOT NULL,
  country CHAR(2) NOT NULL,
  joined_at {time} NOT NULL
)"""
_PURCHASES = """
CREATE TABLE {prefix}purchases (
  purchase_id {id} NOT NULL PRIMARY KEY,
  user_id {big} NOT NULL,
  amount DECIMAL(12, 2) NOT NULL,
  status VARCHAR(10) NOT NULL,
  purchased_at {time} NOT NULL
)"""
_INDEX = "CREATE INDEX {prefix}purchases_purchased_at ON {prefix}purchases (purchased_at)"


def table_sql(table: Literal["users", "purchases"], dialect: str, prefix: str = "") -> str:
    """Return the DDL of a table of the shop.

    `dialect` is sqlite, postgresql or mysql.
    """
    return (_USERS if table == "users" else _PURCHASES).format(**_COLUMN_TYPES[dialect], prefix=prefix).strip()


def index_sql(prefix: str = "") -> str:
    """Return the DDL of the index on the time of purchases."""
    return _INDEX.format(prefix=prefix)


def fill_shop(url_text: str, shop: Shop, *, replace: bool, say: Callable[[str], None]) -> None:
    """Create the tables and fill them.

    InputError when they are there already and are not to be replaced. Times are UTC. A failure leaves tables that are
    not whole; `replace` begins again.
    """
    engine, family = _open(url_text)
    try:
        with engine.connect() as connection:
            _make_room(connection, replace=replace)
            connection.exec_driver_sql(table_sql("users", family))
            connection.exec_driver_sql(table_sql("purchases", family))
            connection.commit()
            append = _APPEND[family]
            append(connection, "users", iter([_as_text(make_users(shop), "joined_at")]))
            append(connection, "purchases", _purchases(shop, say))
            connection.exec_driver_sql(index_sql())
            connection.exec_driver_sql("ANALYZE TABLE purchases" if family == "mysql" else "ANALYZE")
            connection.commit()
    except DBAPIError as exc:
        # The driver's own words, not the statement that they came with: it holds thousands of rows.
        raise UnavailableError(
            "The shop can't be made.", why=str(exc.orig), fix="Look at the URL, the rights and the server."
        ) from None
    finally:
        engine.dispose()


def _open(text: str) -> tuple[Engine, str]:
    """Return an engine and the dialect; a server is reached as every job reaches it, whatever its URL's options are."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = None
    backend = "" if url is None else url.get_backend_name()
    if url is not None and backend == "sqlite" and url.database:
        return create_engine(url), backend
    if backend in _DRIVERS:
        server = parse_database_url(text)
        return create_engine(f"{_DRIVERS[server.dialect]}://", connect_args=server.plan_arguments()), server.dialect
    raise InputError(
        "--url names no database that the demo shop can fill.",
        why="It knows files of SQLite, and PostgreSQL, MySQL and MariaDB.",
        fix="Write sqlite:///shop.db, postgresql+psycopg://user:password@host/db or mariadb+pymysql://…",
    ) from None


def _make_room(connection: Connection, *, replace: bool) -> None:
    there = {name for name in inspect(connection).get_table_names() if name in (*TABLES, "penstock_ledger")}
    if there & set(TABLES) and not replace:
        raise InputError(
            f"The database has {', '.join(sorted(there & set(TABLES)))} already.",
            why="The shop makes new tables and takes nobody's away.",
            fix="Name another database, or drop them with --replace.",
        )
    for name in sorted(there):
        connection.exec_driver_sql(f"DROP TABLE {name}")
    connection.commit()


def _purchases(shop: Shop, say: Callable[[str], None]) -> Iterator[pl.DataFrame]:
    for first in range(0, shop.purchases, _BATCH_ROWS):
        yield _as_text(make_purchases(shop, first, min(_BATCH_ROWS, shop.purchases - first)), "purchased_at")
        say(f"{min(first + _BATCH_ROWS, shop.purchases):,} of {shop.purchases:,} purchases")


def _as_text(rows: pl.DataFrame, time: str) -> pl.DataFrame:
    return rows.with_columns(pl.col(time).dt.strftime("%Y-%m-%d %H:%M:%S"))


def _append_sqlite(connection: Connection, table: str, batches: Iterator[pl.DataFrame]) -> None:
    from adbc_driver_sqlite import dbapi  # noqa: PLC0415 - only where the shop is SQLite

    # ADBC binds whole columns: half the time of sqlite3's executemany.
    with dbapi.connect(connection.engine.url.database, autocommit=True) as fast, fast.cursor() as cursor:
        cursor.execute("PRAGMA synchronous = OFF")
        fast.adbc_connection.set_autocommit(enabled=False)
        for batch in batches:
            cursor.adbc_ingest(table, batch, mode="append")
        fast.adbc_connection.commit()


def _append_postgres(connection: Connection, table: str, batches: Iterator[pl.DataFrame]) -> None:
    connection.exec_driver_sql("SET TIME ZONE 'UTC'")
    psycopg: Any = connection.connection.driver_connection
    with psycopg.cursor().copy(f"COPY {table} FROM STDIN (FORMAT csv)") as copy:
        for batch in batches:
            copy.write(batch.write_csv(include_header=False))


def _append_mysql(connection: Connection, table: str, batches: Iterator[pl.DataFrame]) -> None:
    for batch in batches:
        values = batch.select(
            pl.format("({})", pl.concat_str([_literal(batch, name) for name in batch.columns], separator=","))
        )
        connection.exec_driver_sql(f"INSERT INTO {table} VALUES {','.join(values.to_series())}")  # noqa: S608 - ours
        connection.commit()


def _literal(batch: pl.DataFrame, column: str) -> pl.Expr:
    """A number, or text in quotes: the shop's own words, which hold neither quotes nor percent signs."""
    return pl.format("'{}'", column) if batch.schema[column] == pl.String else pl.col(column).cast(pl.String)


_APPEND: dict[str, Callable[[Connection, str, Iterator[pl.DataFrame]], None]] = {
    "sqlite": _append_sqlite,
    "postgresql": _append_postgres,
    "mysql": _append_mysql,
}
