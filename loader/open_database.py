"""Opens the database that a target URL names.

A driver is imported when it is needed: an image holds one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from loader.target.database import Database
from loader.target.missing_file import Missing
from loader.target.url import parse_database_url
from staging.config.pipeline import Pipeline
from staging.process.missing_extra import missing_extra


@contextmanager
def open_database(pipeline: Pipeline, *, missing: Missing = "refuse") -> Iterator[Database]:
    """Connect to the target. Raises InputError or UnavailableError.

    `missing` says what to do about a missing SQLite file: refuse it, create it, or take an empty one in memory.
    """
    database = _connect(pipeline, missing)
    try:
        yield database
    finally:
        database.close()


def _connect(pipeline: Pipeline, missing: Missing) -> Database:
    try:
        url = parse_database_url(pipeline.target.url.reveal())
        match url.dialect:
            case "sqlite":
                from loader.sqlite.database import SqliteDatabase  # noqa: PLC0415 - see above

                return SqliteDatabase(url, pipeline.load, missing=missing)
            case "postgresql":
                from loader.postgres.database import PostgresDatabase  # noqa: PLC0415 - see above

                return PostgresDatabase(url, pipeline.load)
            case "mysql":
                from loader.mysql.database import MysqlDatabase  # noqa: PLC0415 - see above

                return MysqlDatabase(url, pipeline.load)
    except ModuleNotFoundError as exc:
        if ours := missing_extra(exc):
            raise ours from exc
        raise
