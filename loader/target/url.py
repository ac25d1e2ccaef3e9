"""Reads a target's URL, and gives what the driver wants.

No engine, no pool, no connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy.exc import SQLAlchemyError

from databases.tls import TlsMode
from databases.url import parse_url
from loader.target.errors import KEY
from staging.errors import InputError

Dialect = Literal["postgresql", "mysql", "sqlite"]

_DIALECT_OF: Mapping[str, Dialect] = {
    **dict.fromkeys(("postgresql", "postgresql+psycopg"), "postgresql"),
    **dict.fromkeys(("mysql", "mysql+pymysql", "mariadb", "mariadb+pymysql"), "mysql"),
    **dict.fromkeys(("sqlite", "sqlite+pysqlite"), "sqlite"),
}


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A target's URL as the driver takes it."""

    dialect: Dialect
    plan_arguments: Callable[[], dict[str, Any]] = field(repr=False)
    """Gives the driver's arguments, the password among them, for one connection: a token is fetched anew for each."""
    path: str | None
    """SQLite's file."""
    mode: TlsMode = TlsMode.DISABLED
    place: str = ""
    """Host and port, or the socket's path, as the URL has it."""


def parse_database_url(text: str) -> DatabaseUrl:
    """Return what the URL says.

    InputError, which never shows the URL, when it can't be used.
    """
    url = parse_url(text, KEY)
    match _DIALECT_OF.get(url.drivername):
        case None:
            raise InputError(
                f"target.url names the database {url.drivername!r}, which the loader can't write to.",
                why="It knows PostgreSQL by psycopg, MySQL and MariaDB by PyMySQL, and SQLite.",
                fix="Begin the URL with postgresql+psycopg://, mysql+pymysql://, mariadb+pymysql:// or sqlite:///.",
            )
        case "postgresql":
            from databases.postgres import url as postgres_url  # noqa: PLC0415 - an image holds one driver

            return DatabaseUrl(
                "postgresql",
                lambda: dict(postgres_url.connect_parameters(url, "penstock-loader", KEY)),
                None,
                postgres_url.tls_mode(url, KEY),
            )
        case "sqlite":
            try:
                positional, _ = url.set(drivername="sqlite+pysqlite").get_dialect()().create_connect_args(url)
            except (SQLAlchemyError, ValueError):
                raise InputError(f"{KEY} has an option that SQLite's driver can't read.") from None
            return DatabaseUrl("sqlite", dict, str(positional[0]) if positional else None)
        case "mysql":
            from databases.mysql import url as mysql_url  # noqa: PLC0415 - see above

            return DatabaseUrl(
                "mysql",
                lambda: mysql_url.driver_arguments(url, KEY),
                None,
                mysql_url.tls_mode(url, KEY),
                mysql_url.place_of(url, KEY),
            )
