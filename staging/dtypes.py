"""The column types of a shard, and their one spelling.

The spelling is that of documents.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from staging.columns.types import read_type
from staging.documents.manifest import Column

_PLAIN: dict[str, pl.DataType] = {
    "Int8": pl.Int8(),
    "Int16": pl.Int16(),
    "Int32": pl.Int32(),
    "Int64": pl.Int64(),
    "UInt8": pl.UInt8(),
    "UInt16": pl.UInt16(),
    "UInt32": pl.UInt32(),
    "UInt64": pl.UInt64(),
    "Float32": pl.Float32(),
    "Float64": pl.Float64(),
    "Boolean": pl.Boolean(),
    "String": pl.String(),
    "Binary": pl.Binary(),
    "Date": pl.Date(),
    "Time": pl.Time(),
    "Datetime(us)": pl.Datetime("us"),
    "Datetime(us, UTC)": pl.Datetime("us", "UTC"),
}
_NAMES = {str(dtype): name for name, dtype in _PLAIN.items()}


def format_dtype(dtype: pl.DataType) -> str:
    """Return the spelling of a type.

    Such as `Int64`, `Decimal(12, 2)`, `Datetime(us, UTC)`; TypeError for any other type.
    """
    if isinstance(dtype, pl.Decimal):
        return f"Decimal({dtype.precision}, {dtype.scale})"
    try:
        return _NAMES[str(dtype)]
    except KeyError:
        raise TypeError(f"no shard column has type {dtype}") from None


def parse_dtype(text: str) -> pl.DataType:
    """Return the type of a spelling; IntegrityError for an unknown one."""
    found = read_type(text)
    return _PLAIN[text] if found.precision is None else pl.Decimal(found.precision, found.scale)


def schema_of(columns: Sequence[Column]) -> pl.Schema:
    """Return the polars schema of a manifest's columns, in file order."""
    return pl.Schema({column.name: parse_dtype(column.dtype) for column in columns})
