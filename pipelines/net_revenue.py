"""Net revenue per user and day, with the user's country: what was paid less what was given back.

Purchases, refunds and users were read at one instant, so no refund of them is of a purchase that is not there, and no
user was renamed between two of them.
"""

from __future__ import annotations

import polars as pl

from penstock import Contract, Day, Transform

_MONEY = pl.Decimal(28, 2)


def contract(day: Day) -> Contract:
    """Promise one row a user, and that what was paid less what was refunded is kept to the cent."""
    schema = pl.Schema({"user_id": day.schema["user_id"], "net": _MONEY, "country": pl.String()})
    return Contract(schema=schema, key="user_id", conserves={"net": "purchases.amount - refunds.amount"})


def apply(rows: pl.LazyFrame, day: Day) -> pl.LazyFrame:
    """Add up both tables and look up the country; who has no row among the users has none."""
    paid = rows.select("user_id", pl.col("amount").cast(_MONEY))
    refunded = day.tables["refunds"].select("user_id", -pl.col("amount").cast(_MONEY))
    net = pl.concat([paid, refunded]).group_by("user_id").agg(net=pl.col("amount").sum().cast(_MONEY))
    countries = day.tables["users"].select(pl.col("id").alias("user_id"), "country")
    return net.join(countries, on="user_id", how="left").select("user_id", "net", "country")


net_revenue = Transform(contract=contract, apply=apply)
