"""Reads a database URL as SQLAlchemy does, and gives what the driver wants; no engine, no pool, no connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from staging.errors import InputError

_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mysql+pymysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "mariadb+pymysql": "mariadb+pymysql",
    "sqlite": "sqlite+pysqlite",
    "sqlite+pysqlite": "sqlite+pysqlite",
}


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """`dialect` is `postgresql`, `mysql` or `sqlite`; `arguments` are the driver's, the password among them."""

    dialect: str
    arguments: dict[str, Any] = field(repr=False)
    path: str | None
    """SQLite's file."""


def parse_database_url(text: str) -> DatabaseUrl:
    """Return what the URL says; InputError, which never shows the URL, when it can't be used."""
    url = _parse(text)
    if url.drivername not in _DRIVERS:
        raise InputError(
            f"target.url names the database {url.drivername!r}, which the loader can't write to.",
            why="It knows PostgreSQL by psycopg, MySQL and MariaDB by PyMySQL, and SQLite.",
            fix="Begin the URL with postgresql+psycopg://, mysql+pymysql://, mariadb+pymysql:// or sqlite:///.",
        )
    if url.host is not None and "@" in url.host:
        raise InputError(
            "target.url holds more than one `@` before the host.",
            why="Where the password ends can't be told.",
            fix="Write the signs @ : / % in a password as %40 %3A %2F %25.",
        )
    url = url.set(drivername=_DRIVERS[url.drivername])
    try:
        positional, arguments = url.get_dialect()().create_connect_args(url)
    except (SQLAlchemyError, ValueError, TypeError) as exc:
        raise InputError("target.url has an option its driver can't read.", why=str(exc)) from None
    dialect = url.drivername.partition("+")[0].replace("mariadb", "mysql")
    return DatabaseUrl(dialect, dict(arguments), str(positional[0]) if positional else None)


def _parse(text: str) -> URL:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        # `from None`: the driver's message may quote the URL, and so the password.
        raise InputError(
            "target.url can't be read as a database URL.",
            why="It is not of the form dialect+driver://user:password@host:port/database.",
            fix="Write the signs @ : / % in a password as %40 %3A %2F %25.",
        ) from None
