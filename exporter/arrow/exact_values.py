"""Gives Arrow's columns in types that polars takes whole.

What breaks its own type's rules is refused. Arrow checks nothing on its way from hand to hand: text may hold any bytes,
a decimal more digits than it declares, a date part of a day. And what polars has no form for it panics at, or wraps:
seconds beyond its range became 1970.
"""

from __future__ import annotations

import pyarrow as pa

from staging.errors import InputError

MICROSECOND = "us"
_FIX = "Write the column as what it is: text as UTF-8 (or as binary), values within their type. Nothing was exported."


def exact_column(name: str, column: pa.Array) -> pa.Array:
    """Return the same values, in a type that polars has.

    InputError for a value that its own type forbids.
    """
    try:
        column.validate(full=True)
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        return column.cast(_taken(column.type), safe=True)
    except (pa.ArrowException, ValueError) as exc:
        raise InputError(
            f"Column {name} ({column.type}) holds a value that its type does not allow.",
            why=" ".join(str(exc).split()),
            fix=_FIX,
        ) from exc


def _taken(arrow: pa.DataType) -> pa.DataType:
    """Return the type that is cast to: an instant is the same in every zone, a decimal in every width."""
    if pa.types.is_timestamp(arrow):
        # Nanoseconds are looked at by name, with the row's key; anything coarser fits or is refused here.
        unit = arrow.unit if arrow.unit == "ns" else MICROSECOND
        return pa.timestamp(unit, "UTC" if arrow.tz is not None else None)
    if pa.types.is_decimal256(arrow):
        return pa.decimal128(arrow.precision, arrow.scale)
    return arrow
