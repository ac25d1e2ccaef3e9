"""What `source.parquet` means for a day.

A place to list, and which of its objects are meant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

_WILD = re.compile(r"\*\*/|\*\*|\*|\?")
_MEANS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True, slots=True)
class ParquetPattern:
    """Where to list, and which of the names are meant.

    `store_url` is the deepest folder without a wildcard; `names` matches names below, which begin with `prefix`.
    `segments` are the pattern's own, below that folder.
    """

    store_url: str
    prefix: str
    names: re.Pattern[str]
    segments: tuple[str, ...]

    @staticmethod
    def to_regex(text: str) -> str:
        """Return what matches a piece of a pattern."""
        return _to_regex(text)


def parse_pattern(pattern: str, day: date) -> ParquetPattern:
    """Return the pattern of one day.

    `{day}` is its ISO date, `*` and `?` stay inside a folder, `**` goes through.
    """
    text = pattern.replace("{day}", day.isoformat())
    first = _WILD.search(text)
    fixed = text[: first.start()] if first else text
    folder, _, prefix = fixed.rpartition("/")
    below = text.removeprefix(f"{folder}/")
    return ParquetPattern(folder, prefix, re.compile(_to_regex(below), re.DOTALL), tuple(below.split("/")))


def _to_regex(text: str) -> str:
    found, at = "", 0
    for sign in _WILD.finditer(text):
        found += re.escape(text[at : sign.start()]) + _MEANS[sign.group()]
        at = sign.end()
    return found + re.escape(text[at:])
