"""Sums money exactly.

Integers of minor units in Int128, joined as Python integers, so that no sum can wrap. polars wraps `sum` of Int64 and
Decimal(38) without a word; `to_physical().sum()` of a Decimal is an Int128 and can hold 10^10 rows of up to 28 digits.
"""

from __future__ import annotations

from decimal import Decimal, localcontext

import polars as pl

MAX_CONSERVED_DIGITS = 28


def is_conservable(dtype: pl.DataType) -> bool:
    """Return whether exact control sums of the column can be counted.

    Integers, and decimals of up to 28 digits.
    """
    if isinstance(dtype, pl.Decimal):
        return dtype.precision <= MAX_CONSERVED_DIGITS
    return dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128)


def sum_minor_units(column: pl.Series) -> int:
    """Return the exact sum in units of the last decimal place.

    0 for no rows. NULLs count as nothing.
    """
    if not is_conservable(column.dtype):
        raise TypeError(f"no exact sum of {column.dtype}")
    physical = column.to_physical() if isinstance(column.dtype, pl.Decimal) else column
    return int(physical.cast(pl.Int128).sum() or 0)


def scale_of(dtype: pl.DataType) -> int:
    """Return how many decimal places a column has; 0 for integers."""
    return dtype.scale if isinstance(dtype, pl.Decimal) else 0


def format_minor_units(units: int, scale: int) -> str:
    """Return `-1234.50` for (-123450, 2): exact, no exponent."""
    with localcontext() as context:
        context.prec = 80
        return f"{Decimal(units).scaleb(-scale):f}"


def parse_money(text: str, scale: int) -> int:
    """Return minor units of an exact decimal text.

    ValueError when it has more decimal places than `scale`.
    """
    with localcontext() as context:
        context.prec = 80
        scaled = Decimal(text).scaleb(scale)
        if scaled != scaled.to_integral_value():
            raise ValueError(f"{text} has more than {scale} decimal places")
        return int(scaled)
