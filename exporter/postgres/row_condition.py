"""Tells whether a condition depends on nothing but the row.

Only a condition that is understood here to its last sign does not: columns compared with literals, joined by AND, OR,
NOT, IN, BETWEEN and IS NULL. Any other may ask the clock, another table or chance, and counts as one that does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import polars as pl
from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

from exporter.port.source import SourceColumn

_TOKEN = re.compile(
    r"""\s+
    | (?P<text>'(?:[^'\\]|'')*')
    | (?P<number>[0-9]+(?:\.[0-9]+)?)(?![0-9A-Za-z_.])
    | "(?P<quoted>[^"]+)"
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<call>\s*\()?
    | (?P<sign><>|!=|<=|>=|=|<|>|[(),])""",
    re.VERBOSE,
)
_WORDS = frozenset({"and", "or", "not", "in", "is", "null", "between", "true", "false"})
_BEFORE_BRACKET = frozenset({"and", "or", "not", "in"})


def row_columns(where: str | None, columns: Mapping[str, SourceColumn]) -> frozenset[str] | None:
    """Return the columns that the condition reads of its row.

    None where it may depend on anything else. Columns of a time are never accepted: 'now' is a literal of theirs.
    """
    found: set[str] = set()
    position, text = 0, where or ""
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            return None
        position = match.end()
        if match["name"] and match["name"].lower() in _WORDS:
            if match["call"] and match["name"].lower() not in _BEFORE_BRACKET:
                return None
            continue
        name = match["quoted"] or (match["name"] and match["name"].lower())
        if name is None:
            continue
        if match["call"] or (match["name"] and (name in RESERVED_WORDS or name.startswith("current_"))):
            return None
        if name not in columns or not _is_plain(columns[name]):
            return None
        found.add(name)
    return frozenset(found)


def _is_plain(column: SourceColumn) -> bool:
    if column.carried is None:
        return False
    dtype = column.carried.dtype
    return isinstance(dtype, pl.String | pl.Boolean | pl.Decimal) or dtype.is_integer()
