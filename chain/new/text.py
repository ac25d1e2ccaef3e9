"""Writes the text of a new pipeline file.

Everything it needs, each with a word of why.
"""

from __future__ import annotations

import json

from chain.new.propose import Proposal
from exporter.inspect.reflect import SeenTable


def format_pipeline(
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
