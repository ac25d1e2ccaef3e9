"""Rows as multi-row INSERTs, where LOAD DATA LOCAL is switched off.

Slower, and just as exact.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from loader.target.row_text import plain_text

_ESCAPES = {"\\": "\\\\", "'": "\\'", "\0": "\\0"}  # sql_mode has no NO_BACKSLASH_ESCAPES: the session sets it
_UNQUOTED = (pl.Boolean, pl.Float32, pl.Float64)


def format_inserts(into: str, rows: pl.DataFrame, *, max_bytes: int) -> Iterator[bytes]:
    """Yield statements of at most `max_bytes`, or of one row.

    `into` is the table and its columns, ready for SQL.
    """
    if rows.is_empty():
        return
    texts = rows.select(
        pl.format("({})", pl.concat_str([_literal(rows.get_column(name)) for name in rows.columns], separator=","))
    ).to_series()
    begin = f"INSERT INTO {into} VALUES ".encode()
    room = max(1, max_bytes - len(begin))
    statement_of = (texts.str.len_bytes().cast(pl.Int64) + 1).cum_sum() // room
    for _, piece in pl.DataFrame({"statement": statement_of, "text": texts}).group_by("statement", maintain_order=True):
        yield begin + ",".join(piece.get_column("text").to_list()).encode()


def _literal(column: pl.Series) -> pl.Series:
    """Return SQL literals: numbers as they are (exact, DECIMAL included), bytes as x'…', all else in quotes."""
    text = plain_text(column).cast(pl.String)
    if column.dtype == pl.String:
        text = text.str.replace_many(_ESCAPES)
    if column.dtype == pl.Binary:
        text = "x'" + text + "'"
    elif not (column.dtype.is_numeric() or column.dtype in _UNQUOTED):
        text = "'" + text + "'"
    return text.fill_null("NULL").alias(column.name)
