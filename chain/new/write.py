"""Writes a pipeline file for a table, and checks it.

It has everything that it needs, each with a word of why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from chain.new.propose import Proposal, propose
from exporter.inspect.reflect import SeenTable, reflect_table
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
    text = _format_pipeline(
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


def _format_pipeline(
    name: str,
    *,
    url: str,
    table: SeenTable,
    proposal: Proposal,
    timezone: str,
    staging: str,
    target_url: str,
    target_table: str,
) -> str:
    """Return the file; it is valid as it is."""
    key = _toml(proposal.key[0]) if len(proposal.key) == 1 else f"[{', '.join(map(_toml, proposal.key))}]"
    seen = [
        f"#   {column.name}  {column.source_type}{'' if column.nullable else ' NOT NULL'}" for column in table.columns
    ]
    lines = [
        "# Written by `penstock new`. `penstock help KEY` says what a key means, `penstock doctor` if it holds.",
        f"name = {_toml(name)}",
        "",
        "[source]",
        f"url = {_toml(url)}  # env:NAME and file:/path keep a password out of this file",
        f"table = {_toml(table.name)}",
        "# Its columns:",
        *seen,
        f"key = {key}  # rows of one key belong together: one row of the target each; a list of columns may be one",
        f"time = {_toml(proposal.time)}  # decides a row's day",
        *(f"# {remark}" for remark in proposal.remarks),
        *(
            [f"# No index begins with it, so a day is a read of the whole table: {proposal.index};"]
            if proposal.index
            else []
        ),
        f"columns = [{', '.join(map(_toml, proposal.columns))}]  # what the transform sees; the first is the amount",
        "# where = \"status = 'paid'\"  # which rows count; all without it",
        f"timezone = {_toml(timezone)}  # whose days are meant",
        '# column_timezone = "UTC"  # what a time without a zone means',
        "",
        "[staging]",
        f"url = {_toml(staging)}  # gs://bucket/prefix in the cloud",
        "",
        "[target]",
        f"url = {_toml(target_url)}",
        f"table = {_toml(target_table)}  # `penstock init` creates it",
        "",
        "# [process]",
        '# transform = "my_module:my_transform"  # a file beside this one; without it: revenue per key',
        "",
    ]
    return "\n".join(lines)


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a JSON string is a TOML string


def _has_password(url: str) -> bool:
    try:
        return urlsplit(url).password is not None
    except ValueError:  # a bracket in a raw password
        return True
