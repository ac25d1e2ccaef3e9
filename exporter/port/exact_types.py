"""Column types that all databases share.

The polars type that holds every value exactly, or why there is none.
"""

from __future__ import annotations

import polars as pl

MAX_DIGITS = 38  # a Decimal128's

SIGNED: dict[int, pl.DataType] = {8: pl.Int8(), 16: pl.Int16(), 32: pl.Int32(), 64: pl.Int64()}
UNSIGNED: dict[int, pl.DataType] = {8: pl.UInt8(), 16: pl.UInt16(), 32: pl.UInt32(), 64: pl.UInt64()}

NO_PRECISION = (
    "It has no declared precision and scale, so its values may have any number of digits. "
    "Declare them (ALTER TABLE … TYPE numeric(20, 2)), or read a view that casts it"
)


def plan_decimal(precision: int | None, scale: int | None) -> tuple[pl.DataType | None, str]:
    """Return the type of DECIMAL(precision, scale).

    Or None and why there is none.
    """
    if precision is None:
        return None, NO_PRECISION
    scale = scale or 0
    # PostgreSQL knows scales below 0 (whole thousands) and above the precision (0.000123).
    digits = max(precision - min(scale, 0), scale)
    if digits > MAX_DIGITS:
        return None, f"It may have {digits} digits; at most {MAX_DIGITS} can be carried"
    return pl.Decimal(digits, max(scale, 0)), ""
