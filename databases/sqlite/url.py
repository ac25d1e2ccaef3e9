"""Which file an SQLite URL names."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL

from databases.url import read_options
from staging.errors import InputError


def find_path(url: URL, key: str = "source.url") -> Path:
    """Return the file, which need not be there.

    InputError where the URL names none, or has options.
    """
    read_options(url, key, {})
    name = url.database or ""
    if name in ("", ":memory:") or name.startswith("file:"):
        raise InputError(
            f"{key} names no SQLite file.",
            why="A database in memory, or a file: URI, is not what another process could read.",
            fix="Write sqlite:///relative/path or sqlite:////absolute/path.",
        )
    return Path(name).absolute()
