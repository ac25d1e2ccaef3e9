"""Refuses texts that are none.

SQLite takes any bytes for a text, and hands them on. As such they would be a shard that nobody can read.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from exporter.port.columns import FIX_ROW
from exporter.port.probes import NEVER_CHANGED
from staging.errors import InputError

_SHOWN_BYTES = 30


def check_texts(frame: pl.DataFrame, columns: Sequence[str]) -> None:
    """Raise InputError that names a column with bytes that are not UTF-8.

    `columns` are what people know the frame's columns by, in their order.
    """
    for name, values in zip(columns, frame.get_columns(), strict=True):
        if values.dtype != pl.String:
            continue
        taken = values.cast(pl.Binary)
        try:
            taken.cast(pl.String)
        except pl.exceptions.PolarsError:
            first = next(value for value in taken if value is not None and not _is_utf8(value))
            raise InputError(
                f"Column {name} holds the text X'{first[:_SHOWN_BYTES].hex().upper()}', which is no UTF-8.",
                why=NEVER_CHANGED,
                fix=FIX_ROW,
            ) from None


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
