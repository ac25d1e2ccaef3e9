"""Revenue per hour of the business day: a partial output. Every file of the lake has rows of every hour.

Each task groups the rows of its own shard; `merge` says how the loader makes one row an hour of what they return.
"""

from __future__ import annotations

import polars as pl

from processor.transform import Contract, Day, Merge, Transform

MONEY = pl.Decimal(28, 2)


def contract(day: Day) -> Contract:
    """One row an hour; `revenue` keeps the sum of the amounts, through the merge to the target."""
    schema = {
        "hour": pl.Datetime("us", "UTC"),  # when it begins: a day with a change of clocks has 23 or 25 of them
        "revenue": MONEY,
        "purchases": pl.Int64(),
        "largest": day.schema["amount"],
    }
    merge: dict[str, Merge] = {"revenue": "sum", "purchases": "sum", "largest": "max"}
    return Contract(schema=pl.Schema(schema), key="hour", conserves={"revenue": "amount"}, merge=merge)


def apply(rows: pl.LazyFrame, day: Day) -> pl.LazyFrame:
    """Group by the hour that a purchase lies in."""
    amount = pl.col("amount")
    return rows.group_by(hour=pl.col(day.time).dt.truncate("1h")).agg(
        revenue=amount.sum().cast(MONEY), purchases=pl.len().cast(pl.Int64), largest=amount.max()
    )


hourly = Transform(contract=contract, apply=apply)
