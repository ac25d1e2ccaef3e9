"""Writes a pipeline file for a table, and checks it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from chain.new.propose import propose
from chain.new.text import format_pipeline
from exporter.inspect.reflect import reflect_table
from staging.config.file import load_pipeline
from staging.config.secret_url import look_up_in
from staging.errors import InputError

VARIABLE = "SOURCE_URL"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asked for.

    None where the table decides. `url` is a database URL, `env:NAME` or `file:/path`.
    """

    url: str
    table: str
    name: str | None = None
    key: str | None = None
    time: str | None = None
    columns: str | None = None
    timezone: str = "UTC"
    staging: str | None = None
    target_url: str | None = None
    target_table: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """The file, the variable it expects, and the missing index.

    Empty: none.
    """

    path: Path
    variable: str
    index: str


def write_pipeline(wishes: Wishes, path: Path, environ: Mapping[str, str]) -> Written:
    """Reflect the table, propose, write.

    InputError where the file is there already, or nothing fits.
    """
    if path.exists():
        raise InputError(f"{path} is there already.", why="Nothing is written over.", fix="Name another file: --out.")
    url = look_up_in(environ)(wishes.url)
    table = reflect_table(url, wishes.table)
    proposal = propose(table, key=wishes.key, time=wishes.time, columns=wishes.columns)
    last = re.sub(r"[^a-z0-9_]", "_", wishes.table.rpartition(".")[2].lower())
    variable = VARIABLE if _has_password(wishes.url) else ""
    shown = f"env:{VARIABLE}" if variable else wishes.url
    text = format_pipeline(
        wishes.name or f"daily_{last}",
        url=shown,
        table=table,
        proposal=proposal,
        timezone=wishes.timezone,
        staging=wishes.staging or (path.absolute().parent / "staging").as_uri(),
        target_url=wishes.target_url or shown,
        target_table=wishes.target_table or f"{last}_per_{proposal.key[0].removesuffix('_id')}",
    )
    path.write_text(text, encoding="utf-8")
    try:
        load_pipeline(path, environ={})
    except InputError:
        path.unlink()
        raise
    return Written(path, variable, proposal.index)


def _has_password(url: str) -> bool:
    try:
        return urlsplit(url).password is not None
    except ValueError:  # a bracket in a raw password
        return True
