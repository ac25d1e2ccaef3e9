"""Whether `source.where` depends on each row alone.

The seal sees rows that change. It can't see a row that joins or leaves the window because something else did: another
table that a subquery asks, or the clock.
"""

from __future__ import annotations

import re

from exporter.catalogue import Catalogue

_TEXT = re.compile(r"'(?:[^']|'')*'")
_SUBQUERY = re.compile(r"\b(select|table|values)\b", re.IGNORECASE)
_CALL = re.compile(r'(?:"((?:[^"]|"")+)"|([a-z_][a-z0-9_]*))\s*\(', re.IGNORECASE)
_CLOCK = re.compile(r"\b(current_date|current_time|current_timestamp|localtime|localtimestamp)\b", re.IGNORECASE)
_BY_SETTINGS = ("date_trunc", "date_part", "extract", "timezone", "to_char", "to_date", "to_timestamp", "concat")
"""Functions of PostgreSQL's own that depend on the session's settings (its zone is UTC) and on nothing else."""
_MOVING = "SELECT DISTINCT proname FROM pg_proc WHERE provolatile <> 'i' AND proname = ANY(%s)"


def why_where_moves(where: str | None, catalogue: Catalogue) -> str:
    """Return what in it may give another answer for the same row later, as a clause; "" where nothing does."""
    if where is None:
        return ""
    bare = _TEXT.sub("''", where)
    if _SUBQUERY.search(bare):
        return "source.where has a subquery: what it asks may change without any row changing"
    if clock := _CLOCK.search(bare):
        return f"source.where asks for {clock[1].lower()}, which changes without any row changing"
    called = {quoted.replace('""', '"') or plain.lower() for quoted, plain in _CALL.findall(bare)}
    names = sorted(called - set(_BY_SETTINGS))
    if names and (moving := catalogue.rows(_MOVING, names)):
        return f"source.where calls {moving[0][0]}(), whose answer may change without any row changing"
    return ""
