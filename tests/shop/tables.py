"""Puts a shop into a database, with that database's own types; and reads what Penstock left in the target."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from tests.acceptance.oracle import Key, Row
from tests.servers.mysql_family import NO_TLS
from tests.shop.mysql_words import in_words_of
from tests.shop.shops import Shop

_TIMES = {
    "sqlite": {"zoned": "TIMESTAMP", "naive": "TIMESTAMP", "seconds": "DATETIME"},
    "postgresql": {"zoned": "timestamptz", "naive": "timestamp", "seconds": "timestamp(0)"},
    "mariadb": {"zoned": "TIMESTAMP(6)", "naive": "DATETIME(6)", "seconds": "DATETIME"},
    "mysql": {"zoned": "TIMESTAMP(6)", "naive": "DATETIME(6)", "seconds": "DATETIME"},
}
_TEXTS = {
    "sqlite": "TEXT",
    "postgresql": 'varchar(60) COLLATE "C"',
    "mariadb": "VARCHAR(60) COLLATE utf8mb4_bin",
    "mysql": "VARCHAR(60) COLLATE utf8mb4_bin",
}


@dataclass(frozen=True, slots=True)
class Database:
    """A database by its SQLAlchemy URL."""

    url: str

    @property
    def dialect(self) -> str:
        """`sqlite`, `postgresql`, `mariadb` or `mysql`."""
        return _backend_of(self.url)

    @property
    def is_mysql_family(self) -> bool:
        """Whether it is MariaDB or MySQL."""
        return self.dialect in ("mariadb", "mysql")

    def quote(self, name: str) -> str:
        """Return an identifier as this database writes it."""
        sign = "`" if self.is_mysql_family else '"'
        return sign + name.replace(sign, sign * 2) + sign

    def _connect(self) -> Any:
        url = sa.make_url(self.url)
        dialect = _dialect_of(url.drivername)
        arguments, options = dialect.create_connect_args(url)
        if self.is_mysql_family and not any(name.startswith("ssl") for name in options):
            options = {**options, **NO_TLS}
        return dialect.connect(*arguments, **options)

    def execute(self, statement: str, rows: Sequence[tuple[object, ...]] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement by the bare driver, once or for each row; return what it answers."""
        return self.execute_all((statement, rows))

    def execute_all(self, *steps: tuple[str, Sequence[tuple[object, ...]] | None]) -> list[tuple[Any, ...]]:
        """Run statements on one connection, each once or for each row, and commit; return what the last one answers."""
        answer: list[tuple[Any, ...]] = []
        # Not by SQLAlchemy: it would take `%s` and `:name` in identifiers for parameters; and each new engine of it
        # asks the server ten things about itself.
        with closing(self._connect()) as connection, closing(connection.cursor()) as cursor:
            if self.is_mysql_family:
                cursor.execute("SET time_zone = '+00:00'")
            for statement, rows in steps:
                if rows is None:
                    cursor.execute(in_words_of(self.dialect, statement) if self.is_mysql_family else statement)
                elif rows:
                    cursor.executemany(statement, rows)
                answer = [tuple(row) for row in cursor.fetchall()] if rows is None and cursor.description else []
            connection.commit()
        return answer


@functools.cache  # each row that is inserted asks
def _backend_of(url: str) -> str:
    return sa.make_url(url).get_backend_name()


@functools.cache
def _dialect_of(drivername: str) -> sa.Dialect:
    known = sa.URL.create(drivername).get_dialect()
    return known(dbapi=known.import_dbapi())  # type: ignore[call-arg] # as each of its dialects takes it


def create_shop(database: Database, shop: Shop) -> None:
    """Create the shop's table and insert its rows."""
    names, dialect = shop.names, database.dialect
    steps: list[tuple[str, list[tuple[object, ...]] | None]] = []
    if names.schema and dialect == "postgresql":
        steps.append((f"CREATE SCHEMA {database.quote(names.schema)}", None))
    columns = [
        f"{database.quote(names.key)} {'BIGINT' if shop.key_kind == 'integer' else _TEXTS[dialect]} NOT NULL",
        f"{database.quote(names.time)} {_TIMES[dialect][shop.time_kind]} NOT NULL",
        f"{database.quote(names.amount)} {_money_type(database, shop)} NOT NULL",
        f"{database.quote(names.status)} VARCHAR(20) NOT NULL",
    ]
    table = source_table(database, shop)
    steps.append((f"CREATE TABLE {table} ({', '.join(columns)})", None))
    holes = ", ".join("?" if dialect == "sqlite" else "%s" for _ in columns)
    steps.append((f"INSERT INTO {table} VALUES ({holes})", [_values(database, shop, row) for row in shop.rows]))
    database.execute_all(*steps)


def source_table(database: Database, shop: Shop) -> str:
    """Return the quoted name of the shop's table."""
    table = database.quote(shop.names.table)
    if shop.names.schema and database.dialect == "postgresql":
        return f"{database.quote(shop.names.schema)}.{table}"
    return table


def _money_type(database: Database, shop: Shop) -> str:
    # SQLite makes numbers of what it can, and keeps 15 digits of them; TEXT in the type's name makes it keep all.
    kind = "DECIMAL TEXT" if database.dialect == "sqlite" and shop.digits > 15 else "DECIMAL"
    return f"{kind}({shop.digits}, {shop.scale})"


def _values(database: Database, shop: Shop, row: Row[Key]) -> tuple[object, ...]:
    naive = row.at.astimezone(UTC).replace(tzinfo=None)
    at: object = row.at if shop.time_kind == "zoned" and database.dialect == "postgresql" else naive
    if database.dialect == "sqlite":
        at = _sqlite_time(naive, shop)
    return row.key, at, str(row.amount) if database.dialect == "sqlite" else row.amount, row.status


def _sqlite_time(naive: datetime, shop: Shop) -> str:
    if shop.time_kind == "seconds":
        return f"{naive:%Y-%m-%d %H:%M:%S}"
    return f"{naive:%Y-%m-%d %H:%M:%S.%f}"


def read_revenue(database: Database, table: str, key: str, day: str) -> dict[Key, tuple[Decimal, int]]:
    """Return {key: (revenue, purchases)} of a day in the target."""
    rows = database.execute(
        f"SELECT {database.quote(key)}, revenue, purchases FROM {database.quote(table)} WHERE day = '{day}'"
    )
    return {row[0]: (Decimal(str(row[1])), int(row[2])) for row in rows}
