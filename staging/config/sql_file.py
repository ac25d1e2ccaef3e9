"""Reads the file that `process.sql` names: the pipeline holds its text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_FILE = re.compile(r"\S+\.sql", re.IGNORECASE)
"""A text that is no file has a space in it: a query does."""


def read_sql(values: dict[str, Any], folders: Sequence[Path]) -> list[str]:
    """Put the file's text where its name was; return the faults.

    A relative name is looked for in the `folders`, beside the pipeline file first. So no image needs the file.
    """
    process = values.get("process")
    named = process.get("sql") if isinstance(process, dict) else None
    if not isinstance(process, dict) or not isinstance(named, str) or not _FILE.fullmatch(named.strip()):
        return []
    places = [folder / named.strip() for folder in folders]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        return [f"process.sql: there is no file {named.strip()} in {' or '.join(map(str, folders))}"]
    try:
        process["sql"] = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return [f"process.sql: {file} can't be read as UTF-8 text ({type(error).__name__})"]
    return []
