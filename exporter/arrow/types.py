"""Decides how each of Arrow's column types is carried.

As Parquet files and Python functions have them: exactly, or refused by name.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pyarrow as pa

from exporter.port.exact_types import SIGNED, UNSIGNED, plan_decimal
from exporter.port.source import Carried, SourceColumn, TimeKind, Wire
from exporter.port.time_column import INSTANT

_PLAIN: tuple[tuple[Callable[[pa.DataType], bool], pl.DataType], ...] = (
    (pa.types.is_boolean, pl.Boolean()),
    (pa.types.is_float32, pl.Float32()),
    (pa.types.is_float64, pl.Float64()),
    (pa.types.is_string, pl.String()),
    (pa.types.is_large_string, pl.String()),
    (pa.types.is_string_view, pl.String()),
    (pa.types.is_binary, pl.Binary()),
    (pa.types.is_large_binary, pl.Binary()),
    (pa.types.is_binary_view, pl.Binary()),
    (pa.types.is_fixed_size_binary, pl.Binary()),
    (pa.types.is_date, pl.Date()),
    (pa.types.is_time, pl.Time()),
)


def describe_field(field: pa.Field, *, physical_type: str = "", refusal: str = "") -> SourceColumn:
    """Return how a column is carried.

    `refusal` is why it can't be, where its file knows more than its type says. Rows decide whether there are NULLs: a
    file's schema rarely says that there are none.
    """
    dtype, found = (None, refusal) if refusal else _dtype_of(field.type)
    return SourceColumn(
        name=field.name,
        source_type=physical_type or str(field.type),
        nullable=True,
        quoted=field.name,
        carried=None if dtype is None else Carried(dtype, Wire.NATIVE, field.name),
        refusal=found,
        time=None if refusal else _time_kind(field.type),
    )


def is_nanoseconds(dtype: pa.DataType) -> bool:
    """Return whether a timestamp may be finer than a microsecond.

    Shards have microseconds.
    """
    return bool(pa.types.is_timestamp(dtype)) and dtype.unit == "ns"


def _dtype_of(arrow: pa.DataType) -> tuple[pl.DataType | None, str]:  # noqa: PLR0911 - one line for each kind of type
    if pa.types.is_dictionary(arrow):
        return _dtype_of(arrow.value_type)
    if pa.types.is_decimal(arrow):
        return _decimal(arrow)
    if pa.types.is_signed_integer(arrow):
        return SIGNED[arrow.bit_width], ""
    if pa.types.is_unsigned_integer(arrow):
        return UNSIGNED[arrow.bit_width], ""
    if pa.types.is_timestamp(arrow):
        return (INSTANT if arrow.tz is not None else pl.Datetime("us")), ""
    for matches, dtype in _PLAIN:
        if matches(arrow):
            return dtype, ""
    if pa.types.is_nested(arrow):
        return None, "It is nested, and a shard has plain columns"
    return None, "No type of a shard holds its values exactly"


def _decimal(arrow: pa.DataType) -> tuple[pl.DataType | None, str]:
    if arrow.scale < 0:
        return None, "It has a negative scale"
    return plan_decimal(arrow.precision, arrow.scale)


def _time_kind(arrow: pa.DataType) -> TimeKind | None:
    if pa.types.is_timestamp(arrow):
        return TimeKind.NAIVE if arrow.tz is None else TimeKind.INSTANT
    return TimeKind.DATE if pa.types.is_date(arrow) else None
