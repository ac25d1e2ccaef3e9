"""Chooses what reads a database from its URL.

Adapters are imported when needed: each needs its own extra.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from databases.url import parse_url
from exporter.port.database import Source
from staging.process.missing_extra import missing_extra

Say = Callable[[str], None]


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def open_source(url: str, *, say: Say = _to_stderr) -> Iterator[Source]:
    """Connect to the source.

    Raises InputError or UnavailableError, never with the password in it. `say` gets a note of slower paths.
    """
    source = _connect(url, say)
    try:
        yield source
    finally:
        source.close()


def _connect(text: str, say: Say) -> Source:
    url = parse_url(text)
    try:
        match url.get_backend_name():
            case "postgresql":
                from exporter.postgres.source import PostgresSource  # noqa: PLC0415 - see above

                return PostgresSource(url)
            case "mysql" | "mariadb":
                from exporter.mysql.source import MysqlSource  # noqa: PLC0415 - see above

                return MysqlSource(url)
            case "sqlite":
                from exporter.sqlite.source import SqliteSource  # noqa: PLC0415 - see above

                return SqliteSource(url)
            case name:
                from exporter.any_dialect import AnySource  # noqa: PLC0415 - see above

                say(f"{name} is read by SQLAlchemy: correct, but ten times slower than what has a reader of its own")
                return AnySource(url)
    except ModuleNotFoundError as exc:
        if ours := missing_extra(exc):
            raise ours from exc
        raise
