"""Sums money exactly.

Integers of minor units in Int128, joined as Python integers, so that no sum can wrap. polars silently wraps `sum` of
Int64 and Decimal(38); `to_physical().sum()` of a Decimal is an Int128 and can hold 10^10 rows of up to 28 digits.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import polars as pl

    from staging.columns.types import ColumnType

AnyType: TypeAlias = "pl.DataType | ColumnType"
"""A type of polars, or a spelled one: both say `precision` and `scale` of a decimal, and have the same text."""
MAX_CONSERVED_DIGITS = 28


def is_conservable(dtype: AnyType) -> bool:
    """Return whether exact control sums of the column can be counted.

    Integers, and decimals of up to 28 digits.
    """
    digits: int | None = getattr(dtype, "precision", None)
    if digits is not None:
        return digits <= MAX_CONSERVED_DIGITS
    return dtype.is_integer() and str(dtype) not in ("Int128", "UInt128")


def sum_minor_units(column: pl.Series) -> int:
    """Return the exact sum in units of the last decimal place.

    0 for no rows. NULLs count as nothing.
    """
    import polars as pl  # noqa: PLC0415 - where no column is summed, nothing of polars is needed

    if not is_conservable(column.dtype):
        raise TypeError(f"no exact sum of {column.dtype}")
    physical = column.to_physical() if isinstance(column.dtype, pl.Decimal) else column
    return int(physical.cast(pl.Int128).sum() or 0)


def scale_of(dtype: AnyType) -> int:
    """Return how many decimal places a column has; 0 for integers."""
    return int(getattr(dtype, "scale", 0))


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
