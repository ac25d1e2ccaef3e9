"""What a database's catalogue says of a table; no row is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy
from sqlalchemy import Engine, inspect, types
from sqlalchemy.exc import DBAPIError, NoSuchTableError

from databases.url import parse_url, scrub
from staging.config.database import split_table
from staging.errors import InputError, UnavailableError
from staging.redaction import remember_secrets_of

_DRIVERS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql"}


@dataclass(frozen=True, slots=True)
class SeenColumn:
    """A column: the database's type, and what it may serve for."""

    name: str
    source_type: str
    is_time: bool
    is_money: bool
    is_integer: bool
    nullable: bool


@dataclass(frozen=True, slots=True)
class SeenTable:
    """A table: its columns, primary key and indexes.

    Columns are in order; each index has its columns.
    """

    name: str
    dialect: str
    columns: tuple[SeenColumn, ...]
    primary_key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...]

    def leads_an_index(self, column: str) -> bool:
        """Return whether an index begins with the column."""
        return any(index[:1] == (column,) for index in (*self.indexes, self.primary_key))


def list_tables(url: str) -> list[str]:
    """Return the names of the tables and views of the database, sorted."""
    with _engine(url) as engine:
        looked = inspect(engine)
        return sorted([*looked.get_table_names(), *looked.get_view_names()])


def reflect_table(url: str, table: str) -> SeenTable:
    """Return what the catalogue says of a table.

    InputError where there is none, with those that there are.
    """
    schema, name = split_table(table, None)
    with _engine(url) as engine:
        looked = inspect(engine)
        try:
            columns = looked.get_columns(name, schema)
        except NoSuchTableError:
            known = ", ".join(sorted(looked.get_table_names(schema))) or "none"
            raise InputError(
                f"There is no table {table}.", why=f"The database has {known}.", fix="Name one of them: --table."
            ) from None
        return SeenTable(
            name=table,
            dialect=engine.dialect.name,
            columns=tuple(_seen(column["name"], column["type"], column["nullable"]) for column in columns),
            primary_key=tuple(looked.get_pk_constraint(name, schema).get("constrained_columns") or ()),
            indexes=tuple(
                tuple(part for part in index["column_names"] if part) for index in looked.get_indexes(name, schema)
            ),
        )


def _seen(name: str, kind: types.TypeEngine[object], nullable: bool) -> SeenColumn:
    return SeenColumn(
        name=name,
        source_type=str(kind),
        is_time=isinstance(kind, types.DateTime | types.TIMESTAMP | types.Date),
        is_money=isinstance(kind, types.Numeric) and not isinstance(kind, types.Float),
        is_integer=isinstance(kind, types.Integer),
        nullable=nullable,
    )


@contextmanager
def _engine(url_text: str) -> Iterator[Engine]:
    url = parse_url(remember_secrets_of(url_text), "--url")
    engine = sqlalchemy.create_engine(url.set(drivername=_DRIVERS.get(url.drivername, url.drivername)))
    try:
        yield engine
    except DBAPIError as exc:
        why = scrub(str(exc.orig), url).strip()
        raise UnavailableError(
            "The database can't be asked.", why=why, fix="Look at --url, the rights and the server."
        ) from exc
    finally:
        engine.dispose()
