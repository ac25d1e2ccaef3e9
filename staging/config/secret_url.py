"""Looks up a URL or password where the pipeline file says.

It also knows its shape without looking.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from staging.errors import InputError

_DIALECTS = (
    "postgresql",
    "postgres",
    "mysql",
    "mariadb",
    "sqlite",
    "oracle",
    "mssql",
    "duckdb",
    "cockroachdb",
    "snowflake",
)
_EXAMPLES = "postgresql+psycopg://user@host/db, mysql+pymysql://…, mariadb+pymysql://… or sqlite:///file"


def look_up_url(reference: str) -> str:
    """Return the URL.

    `env:NAME` from this process's environment, `file:/path` from a file, else the URL itself.
    """
    return look_up_in(os.environ)(reference)


def look_up_in(environ: Mapping[str, str]) -> Callable[[str], str]:
    """Return a look-up as `look_up_url` that takes variables from `environ`."""
    look_up = look_up_text_in(environ)
    return lambda reference: look_up(reference).strip()


def look_up_text_in(environ: Mapping[str, str]) -> Callable[[str], str]:
    """Return a look-up that keeps spaces, as they may be a password's.

    The end of the last line does not belong to it.
    """

    def look_up(reference: str) -> str:
        if reference.startswith("env:"):
            return _from_environment(reference.removeprefix("env:"), environ)
        if _is_file(reference):
            return _from_file(Path(reference.removeprefix("file:")))
        return reference

    return look_up


def is_elsewhere(reference: str) -> bool:
    """Return whether the text lies in a variable or a file.

    The reference itself is no secret then.
    """
    return reference.startswith("env:") or _is_file(reference)


def check_reference(reference: str) -> str:
    """Return the reference if it has the shape of one.

    ValueError, without the text, if not. Nothing is looked up.
    """
    if is_elsewhere(reference):
        return _check_elsewhere(reference)
    _check_url(reference)
    return reference


def check_password(reference: str) -> str:
    """Return a password's reference if it has the shape of one.

    ValueError, without the text, if not.
    """
    if reference.startswith("file://"):
        raise ValueError("should be file:/path with one slash, or env:NAME, or the password itself")
    return _check_elsewhere(reference) if is_elsewhere(reference) else reference


def _check_elsewhere(reference: str) -> str:
    if reference.startswith("env:"):
        if not re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*", reference):
            raise ValueError("should be env:NAME with the name of a variable")
    elif not reference.removeprefix("file:"):
        raise ValueError("should be file:/path of a file that holds it")
    return reference


def _check_url(url: str) -> None:
    match = re.match(r"([A-Za-z][A-Za-z0-9_]*)(\+[A-Za-z0-9_]+)?://", url)
    if match is None:
        raise ValueError(f"should be a database URL such as {_EXAMPLES}, or env:NAME, or file:/path")
    dialect = match[1]
    if dialect not in _DIALECTS and (near := difflib.get_close_matches(dialect.lower(), _DIALECTS, n=1, cutoff=0.75)):
        raise ValueError(f"{dialect}:// is no database URL; did you mean {near[0]}://?")
    if dialect in ("http", "https", "gs", "s3", "file"):
        raise ValueError(f"{dialect}:// is no database URL; write one such as {_EXAMPLES}")


def _is_file(reference: str) -> bool:
    return reference.startswith("file:") and not reference.startswith("file://")


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    text = environ.get(name, "")
    if not text.strip():
        raise InputError(
            f"The environment variable {name} is not set.",
            why="The pipeline takes a database URL or its password from it.",
            fix=f"Set {name}.",
        )
    return text.rstrip("\r\n")


def _from_file(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "It is not UTF-8 text."
        raise InputError(
            f"The file {path} can't be read.",
            why=why or "",
            fix="It should hold a database URL, or its password, and nothing else.",
        ) from exc
    if not text.strip():
        raise InputError(
            f"The file {path} is empty.", why="It should hold a database URL or its password.", fix="Write it there."
        )
    return text.rstrip("\r\n")
