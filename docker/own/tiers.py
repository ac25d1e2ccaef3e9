"""Revenue per user with a tier in Roman numerals: a transform of one's own that needs a library of one's own."""

from __future__ import annotations

import polars as pl
import roman

from processor.transform import Contract, Day, Transform

_TIERS = {number: roman.toRoman(number) for number in range(1, 6)}
_PURCHASES_A_TIER = 10


def contract(day: Day) -> Contract:
    """One row a user: revenue, which keeps the sum of the amounts, and the tier."""
    keys = {column: day.schema[column] for column in day.key_columns}
    schema = pl.Schema({**keys, "revenue": pl.Decimal(28, 2), "tier": pl.String()})
    return Contract(schema=schema, key=day.key, conserves={"revenue": "amount"})


def apply(rows: pl.LazyFrame, day: Day) -> pl.LazyFrame:
    """Sum the amounts of each user; ten purchases a tier, five tiers."""
    tier = (pl.len() // _PURCHASES_A_TIER + 1).clip(1, len(_TIERS))
    return rows.group_by(day.key_columns).agg(
        revenue=pl.col("amount").sum().cast(pl.Decimal(28, 2)),
        tier=tier.replace_strict(_TIERS, return_dtype=pl.String),
    )


tiers = Transform(contract=contract, apply=apply)  # process.transform = "tiers:tiers"
