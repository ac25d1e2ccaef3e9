"""What to do about a missing SQLite file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import quote

from staging.errors import InputError

Missing = Literal["refuse", "create", "pretend"]
"""`pretend` shows what `create` would find: an empty database, in memory."""


def plan_sqlite_uri(path: str | None, missing: Missing) -> str:
    """Return the URI to open (https://www.sqlite.org/uri.html); InputError where no file is named."""
    if path is None or path in ("", ":memory:"):
        raise InputError(
            "target.url names no SQLite file.",
            why="A database in memory is gone with its process.",
            fix="Write sqlite:////folder/file.",
        )
    if path.startswith("file:"):
        return path
    if missing == "pretend" and not Path(path).exists():
        return "file::memory:"
    return f"file:{quote(str(Path(path).absolute()))}?mode={'rwc' if missing == 'create' else 'rw'}"
