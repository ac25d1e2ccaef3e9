"""Reads a target's URL, and gives what the driver wants; no engine, no pool, no connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from databases.url import parse_url
from loader.target.errors import KEY
from staging.errors import InputError

_DRIVERS = frozenset(
    {
        *("postgresql", "postgresql+psycopg"),
        *("mysql", "mysql+pymysql", "mariadb", "mariadb+pymysql"),
        *("sqlite", "sqlite+pysqlite"),
    }
)


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """`dialect` is `postgresql`, `mysql` or `sqlite`; `arguments` are the driver's, the password among them."""

    dialect: str
    arguments: dict[str, Any] = field(repr=False)
    path: str | None
    """SQLite's file."""


def parse_database_url(text: str) -> DatabaseUrl:
    """Return what the URL says; InputError, which never shows the URL, when it can't be used."""
    url = parse_url(text, KEY)
    if url.drivername not in _DRIVERS:
        raise InputError(
            f"target.url names the database {url.drivername!r}, which the loader can't write to.",
            why="It knows PostgreSQL by psycopg, MySQL and MariaDB by PyMySQL, and SQLite.",
            fix="Begin the URL with postgresql+psycopg://, mysql+pymysql://, mariadb+pymysql:// or sqlite:///.",
        )
    match url.get_backend_name():
        case "postgresql":
            from databases.postgres.url import connect_parameters  # noqa: PLC0415 - an image holds one driver

            return DatabaseUrl("postgresql", dict(connect_parameters(url, "penstock-loader", KEY)), None)
        case "sqlite":
            positional, _ = url.set(drivername="sqlite+pysqlite").get_dialect()().create_connect_args(url)
            return DatabaseUrl("sqlite", {}, str(positional[0]) if positional else None)
    from databases.mysql.url import driver_arguments  # noqa: PLC0415 - see above

    return DatabaseUrl("mysql", driver_arguments(url, KEY), None)
