"""Reads the spelling of a column's type.

`staging.dtypes` has polars' types of the same spellings.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from staging.documents.manifest import Column
from staging.errors import IntegrityError

INTEGERS = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
OTHERS = (*("Float32", "Float64", "Boolean", "String", "Binary", "Date", "Time", "Datetime(us)", "Datetime(us, UTC)"),)
_DECIMAL = re.compile(r"Decimal\(([1-9]\d?), (0|[1-9]\d?)\)")
_MOST_DIGITS = 38


@dataclass(frozen=True, slots=True)
class ColumnType:
    """A type by its spelling.

    `precision` is a decimal's digits and None of any other type; `scale` its places, 0 of any other.
    """

    spelling: str
    precision: int | None = None
    scale: int = 0

    def __str__(self) -> str:
        return self.spelling

    def is_integer(self) -> bool:
        """As polars' own."""
        return self.spelling in INTEGERS


def read_type(text: str) -> ColumnType:
    """Return the type of a spelling; IntegrityError for an unknown one."""
    if match := _DECIMAL.fullmatch(text):
        precision, scale = int(match[1]), int(match[2])
        if scale <= precision <= _MOST_DIGITS:
            return ColumnType(text, precision, scale)
    elif text in (*INTEGERS, *OTHERS):
        return ColumnType(text)
    raise IntegrityError(
        f"There is no column type {text!r}.", why="A newer Penstock or a damaged document.", fix="Export the day again."
    )


def types_of(columns: Sequence[Column]) -> dict[str, ColumnType]:
    """Return the types of a manifest's columns by name.

    In file order.
    """
    return {column.name: read_type(column.dtype) for column in columns}


def fingerprint(columns: Sequence[Column]) -> str:
    """Return the SHA-256 of names, types and nullability in file order."""
    text = json.dumps([[column.name, column.dtype, column.nullable] for column in columns])
    return hashlib.sha256(text.encode()).hexdigest()
