"""Whether `source.where` depends on each row alone.

The seal sees rows that change. It can't see a row that joins or leaves the window because something else did: another
table that a subquery asks, or the clock.
"""

from __future__ import annotations

import re

from exporter.port.catalogue import Catalogue
from exporter.port.where_moves import WhereWords, calls, words

_WORDS = WhereWords(
    text=re.compile(r"'(?:[^']|'')*'"),
    subquery=words("select|table|values"),
    clock=words("current_date|current_time|current_timestamp|localtime|localtimestamp"),
)
_CALL = re.compile(r'(?:"((?:[^"]|"")+)"|([a-z_][a-z0-9_]*))\s*\(', re.IGNORECASE)
_BY_SETTINGS = ("date_trunc", "date_part", "extract", "timezone", "to_char", "to_date", "to_timestamp", "concat")
"""Functions of PostgreSQL's own that depend on the session's settings (its zone is UTC) and on nothing else."""
_MOVING = "SELECT DISTINCT proname FROM pg_proc WHERE provolatile <> 'i' AND proname = ANY(%s)"


def why_where_moves(where: str | None, catalogue: Catalogue) -> str:
    """Return what in it may give another answer for the same row later, as a clause; "" where nothing does."""
    if where is None:
        return ""
    bare = _WORDS.strip_texts(where)
    if moves := _WORDS.why_it_moves(bare):
        return moves
    called = {quoted.replace('""', '"') or plain.lower() for quoted, plain in _CALL.findall(bare)}
    names = sorted(called - set(_BY_SETTINGS))
    if names and (moving := catalogue.rows(_MOVING, names)):
        return calls(str(moving[0][0]))
    return ""
