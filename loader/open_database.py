"""Opens the database that a target URL names. A driver is imported when it is needed: an image holds one of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from loader.target.database import Database
from loader.target.missing_file import Missing
from loader.target.url import DatabaseUrl, parse_database_url
from staging.config.pipeline import Pipeline
from staging.errors import InputError

_EXTRAS = {"postgresql": "postgres", "mysql": "mysql"}


@contextmanager
def open_database(pipeline: Pipeline, *, missing: Missing = "refuse") -> Iterator[Database]:
    """Connect to the target. Raises InputError or UnavailableError.

    `missing` says what becomes of an SQLite file that is not there: refused, created, or an empty one in memory.
    """
    url = parse_database_url(pipeline.target.url.reveal())
    database = _connect(url, pipeline, missing)
    try:
        yield database
    finally:
        database.close()


def _connect(url: DatabaseUrl, pipeline: Pipeline, missing: Missing) -> Database:
    if url.dialect == "sqlite":
        from loader.sqlite.database import SqliteDatabase  # noqa: PLC0415 - see above

        return SqliteDatabase(url, pipeline.load, missing=missing)
    try:
        if url.dialect == "postgresql":
            from loader.postgres.database import PostgresDatabase  # noqa: PLC0415 - see above

            return PostgresDatabase(url, pipeline.load)
        from loader.mysql.database import MysqlDatabase  # noqa: PLC0415 - see above

        return MysqlDatabase(url, pipeline.load)
    except ImportError as exc:
        raise InputError(
            f"The driver of {url.dialect} is not installed here.",
            why=str(exc),
            fix=f"Install Penstock with the extra `{_EXTRAS[url.dialect]}`.",
        ) from exc
