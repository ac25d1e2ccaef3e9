"""The digest of a day's content.

SHA-256 over names, types and the text of all rows, by shard, then by key. Equal content from equally many shards has an
equal digest, whatever wrote the Parquet files and whichever database takes them (`loader.target.row_text` says how rows
are written).
"""

from __future__ import annotations

import hashlib
from datetime import date

import polars as pl

from staging.dtypes import format_dtype

_VERSION = "penstock-rows-1"


class ContentDigest:
    """Grows with each part; parts come in the order of their shards."""

    def __init__(self, day: date, schema: pl.Schema) -> None:
        columns = [f"{name!r}\t{format_dtype(dtype)}" for name, dtype in schema.items()]
        self._hash = hashlib.sha256("\n".join([_VERSION, day.isoformat(), *columns, ""]).encode())

    def add(self, text: bytes) -> None:
        """Take rows as `format_rows` writes them."""
        self._hash.update(text)

    def hexdigest(self) -> str:
        """Return the digest of all that was added."""
        return self._hash.hexdigest()
