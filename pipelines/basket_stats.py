"""What a user bought in a day, beyond the sum: a transform with rules, and a quarantine for rows that break them.

Every row of the shard either counts in the output or goes to quarantine with the name of the rule that it breaks;
Penstock proves that by the sum of `amount`, to the cent, before anything is written.
"""

from __future__ import annotations

import polars as pl

from processor.transform import Contract, Day, Split, Transform

MONEY = pl.Decimal(28, 2)

# The first rule that a row breaks is its reason. Reasons are counted in the receipts and in the run's report, so they
# name the rule and never hold a value of the row.
RULES = {
    "no amount or no status": pl.col("amount").is_null() | pl.col("status").is_null(),
    "not paid yet": pl.col("status") == "pending",
    "cancelled": pl.col("status") == "cancelled",
    "unknown status": ~pl.col("status").is_in(["paid", "refunded"]),
    "paid nothing or less": (pl.col("status") == "paid") & (pl.col("amount") <= 0),
    "refund of nothing or less": (pl.col("status") == "refunded") & (pl.col("amount") >= 0),
}


def contract(day: Day) -> Contract:
    """One row a user; `revenue` keeps the sum of the amounts that are not in quarantine."""
    schema = {
        **{column: day.schema[column] for column in day.key_columns},
        "revenue": MONEY,  # paid less refunded
        "refunded": MONEY,  # how much of it was given back, negative
        "purchases": pl.Int64(),
        "refunds": pl.Int64(),
        "largest": pl.Decimal(12, 2),  # the largest amount paid; NULL for users with refunds only
        "first_at": pl.Datetime("us", "UTC"),
        "last_at": pl.Datetime("us", "UTC"),
    }
    return Contract(schema=pl.Schema(schema), key=day.key, conserves={"revenue": "amount"})


def apply(rows: pl.LazyFrame, day: Day) -> Split:
    """Sort rows out by the rules, then count what is left per user. Plans only: nothing is read here."""
    reason = pl.coalesce([pl.when(broken).then(pl.lit(rule)) for rule, broken in RULES.items()])
    judged = rows.with_columns(reason=reason)
    amount, paid = pl.col("amount"), pl.col("status") == "paid"
    baskets = (
        judged.filter(pl.col("reason").is_null())
        .group_by(day.key_columns)
        .agg(
            revenue=amount.sum().cast(MONEY),
            refunded=amount.filter(~paid).sum().cast(MONEY),
            purchases=paid.sum().cast(pl.Int64),
            refunds=(~paid).sum().cast(pl.Int64),
            largest=amount.filter(paid).max(),
            first_at=pl.col(day.time).min(),
            last_at=pl.col(day.time).max(),
        )
    )
    return Split(baskets, judged.filter(pl.col("reason").is_not_null()))


basket_stats = Transform(contract=contract, apply=apply)
