"""Data folders as they are after a server's initialisation, which takes seconds: a server takes a copy."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.servers.programs import MYSQL_CACHED

_KEPT = MYSQL_CACHED.parent


def fresh_data(name: str, *made_by: str) -> Path:
    """Where the data of this kind of server are kept, made by that program with those options."""
    return _KEPT / f"{name}-data" / hashlib.sha256("\n".join(made_by).encode()).hexdigest()[:16]


def which(program: Path) -> str:
    """Which program it is: another one, of another version, may lie in its place tomorrow."""
    found = program.resolve()
    return f"{found} {found.stat().st_size} {found.stat().st_mtime_ns}"


def copy_or_make(data: Path, fresh: Path, make: Callable[[], None], owner: str) -> None:
    """Copy what is kept to `data`, for this user ("-": for us); if there is nothing, make it there and keep a copy."""
    if not fresh.exists():
        make()
        _keep(data, fresh)
        return
    shutil.copytree(fresh, data, symlinks=True)
    if owner != "-":
        for path in (data, *data.rglob("*")):
            shutil.chown(path, owner)


def _keep(data: Path, fresh: Path) -> None:
    """Keep a copy for the next server; whole or not at all, though several test runs may do so at once."""
    fresh.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=fresh.parent) as name:
        copied = Path(shutil.copytree(data, Path(name) / "data", symlinks=True))
        if not fresh.exists():
            copied.rename(fresh)
