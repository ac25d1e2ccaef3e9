"""The built-in transform: what each user spent, and how often.

The first of `columns` is the amount. No sum can wrap. polars sums a Decimal as an Int128 of minor units: with 28 digits
at most, and 2^32 rows at most in a shard, that stays below 10^38 of 1.7 * 10^38. Integers are summed the same way, as
decimals without fraction; polars' own sum of Int64 would wrap silently. A total of more than 28 digits is refused by
the cast at the end.
"""

from __future__ import annotations

import polars as pl

from processor.transform import Contract, Day, Split, Transform
from staging.control_sums import MAX_CONSERVED_DIGITS, is_conservable, scale_of
from staging.errors import InputError

REVENUE = "revenue"
PURCHASES = "purchases"
NO_AMOUNT = "no amount"


def contract(day: Day) -> Contract:
    """Promise one row a key and that not a cent is lost.

    InputError when the amount has no exact sum.
    """
    amount, dtype = day.columns[0], day.schema[day.columns[0]]
    if not is_conservable(dtype):
        raise InputError(
            f"The amount {amount} has type {dtype}, which has no exact sum.",
            why=f"Money is an integer, or a decimal of {MAX_CONSERVED_DIGITS} digits at most.",
            fix="Name another column first in `source.columns`, or give the column such a type in the database.",
        )
    if taken := [column for column in day.key_columns if column in (REVENUE, PURCHASES)]:
        raise InputError(
            f"The key {taken[0]} has the name of a column that revenue_per_user makes.",
            fix="Write a transform of your own that names its columns otherwise.",
        )
    key = {column: day.schema[column] for column in day.key_columns}
    schema = pl.Schema({**key, REVENUE: _money(dtype), PURCHASES: pl.Int64()})
    return Contract(schema=schema, key=day.key, conserves={REVENUE: amount})


def apply(rows: pl.LazyFrame, day: Day) -> Split:
    """Sum and count per key.

    Rows without an amount are no purchase: they go to quarantine, where they are counted.
    """
    amount, dtype = pl.col(day.columns[0]), day.schema[day.columns[0]]
    exact = amount if isinstance(dtype, pl.Decimal) else amount.cast(_money(dtype))
    revenue = (
        rows.group_by(day.key_columns)
        .agg(exact.sum().cast(_money(dtype)).alias(REVENUE), amount.count().cast(pl.Int64).alias(PURCHASES))
        .filter(pl.col(PURCHASES) > 0)
    )
    return Split(revenue, rows.filter(amount.is_null()).with_columns(reason=pl.lit(NO_AMOUNT)))


def _money(dtype: pl.DataType) -> pl.Decimal:
    return pl.Decimal(MAX_CONSERVED_DIGITS, scale_of(dtype))


revenue_per_user = Transform(contract=contract, apply=apply)
