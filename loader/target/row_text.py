r"""One text for rows, exact and the same everywhere, and its digest.

COPY and LOAD DATA take it, and digests are computed from it. A line a row, fields separated by tabs; NULL is `\N`;
backslash, tab, newline and carriage return in text are written `\\ \t \n \r`; bytes are hexadecimal digits; booleans 0
and 1; instants are UTC without saying so. PostgreSQL (COPY's text format) and MySQL (LOAD DATA's default) read it
alike, bytes apart.
"""

from __future__ import annotations

import hashlib
from datetime import date

import polars as pl

from staging.dtypes import format_dtype

_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_NULL = "\\N"
_DIGEST_VERSION = "penstock-rows-1"


def format_rows(rows: pl.DataFrame) -> bytes:
    """Return the text of all rows, in their order."""
    plain = rows.select(_plain(rows.get_column(name)) for name in rows.columns)
    text = plain.write_csv(separator="\t", quote_style="never", null_value=_NULL, include_header=False)
    return text.encode()


class ContentDigest:
    """The digest of a day's content; parts are added in shard order.

    SHA-256 over names, types and the text of all rows, by shard, then by key. Equal content from equally many shards
    has an equal digest, whatever wrote the Parquet files and whichever database takes them.
    """

    def __init__(self, day: date, schema: pl.Schema) -> None:
        columns = [f"{name!r}\t{format_dtype(dtype)}" for name, dtype in schema.items()]
        self._hash = hashlib.sha256("\n".join([_DIGEST_VERSION, day.isoformat(), *columns, ""]).encode())

    def add(self, text: bytes) -> None:
        """Take rows as `format_rows` writes them."""
        self._hash.update(text)

    def hexdigest(self) -> str:
        """Return the digest of all that was added."""
        return self._hash.hexdigest()


def plain_text(column: pl.Series) -> pl.Series:
    """Return the column's values as text, nothing escaped.

    It is for types whose own text is not exact enough.
    """
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime):
        return column.dt.replace_time_zone(None).dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
    if dtype == pl.Time:
        return column.dt.strftime("%H:%M:%S%.6f")
    if dtype == pl.Binary:
        return column.bin.encode("hex")
    if dtype == pl.Boolean:
        return column.cast(pl.UInt8)
    return column


def _plain(column: pl.Series) -> pl.Series:
    if column.dtype == pl.String and column.str.contains(r"[\\\t\n\r]").any():
        return column.str.replace_many(_ESCAPES)
    return plain_text(column)
