"""The demo shop's rows: reproducible, within their days, skewed, with refunds."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from chain.demo.rows import DAYS, FIRST_DAY, TIMEZONE, Shop, make_purchases, make_users

SHOP = Shop(seed=1, users=100_000, purchases=1_000_000)
MASK = 2**64 - 1


def mixed(number: int, seed: int, stream: int) -> int:
    bits = (number * 0x9E3779B97F4A7C15 + (seed * 4 + stream + 1) * 0x9E3779B97F4A7C15) & MASK
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & MASK
    return bits ^ (bits >> 31)


def test_rows_are_what_plain_integers_say() -> None:
    rows = make_purchases(SHOP, 123_456, 500)
    for offset, row in enumerate(rows.iter_rows(named=True)):
        number = 123_456 + offset
        how_much, what = mixed(number, 1, 2), mixed(number, 1, 3)
        cents = how_much % 20_000 + 99 + (how_much >> 32) % 100 // 98 * 50_000
        sign = -1 if 88 <= what % 100 < 93 else 1
        assert Decimal(row["amount"]) == Decimal(sign * cents) / 100
        assert row["purchase_id"] == number + 1


def test_the_same_seed_gives_the_same_rows_in_batches_of_any_size() -> None:
    small = Shop(seed=7, users=50, purchases=1000)
    whole = make_purchases(small, 0, 1000)
    assert whole.equals(pl.concat([make_purchases(small, first, 125) for first in range(0, 1000, 125)]))
    assert not whole["user_id"].equals(make_purchases(Shop(8, 50, 1000), 0, 1000)["user_id"])


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    """All purchases of a shop that is as large as the demo's."""
    return make_purchases(SHOP, 0, SHOP.purchases)


def test_ten_business_days_all_filled_and_the_one_with_25_hours_most(rows: pl.DataFrame) -> None:
    zone = ZoneInfo(TIMEZONE)
    local = rows["purchased_at"].dt.replace_time_zone("UTC").dt.convert_time_zone(TIMEZONE).dt.date()
    days: dict[date, int] = dict(local.value_counts().iter_rows())
    first = datetime.fromisoformat(FIRST_DAY).replace(tzinfo=zone).date()
    assert min(days) == first
    assert len(days) == DAYS
    assert max(days, key=lambda day: days[day]).isoformat() == "2026-10-25"
    assert rows["purchased_at"].is_sorted()


def test_users_are_sequential_from_zero_few_buy_much_and_statuses_are_mixed(rows: pl.DataFrame) -> None:
    users = make_users(SHOP)
    assert users["user_id"].to_list() == list(range(100_000))
    assert users["joined_at"].null_count() == 0
    assert rows["user_id"].is_between(0, 99_999).all()
    counts = rows["user_id"].value_counts(sort=True)["count"]
    assert counts[0] > 1000
    assert counts[counts.len() // 2] < 12
    shares = {status: number / SHOP.purchases for status, number in rows["status"].value_counts().iter_rows()}
    assert 0.87 < shares["paid"] < 0.89
    assert all(shares[status] > 0.02 for status in ("refunded", "cancelled", "pending"))
    negative = rows.filter(pl.col("amount").str.starts_with("-"))["status"].unique().to_list()
    assert negative == ["refunded"]


def test_a_shop_may_be_tiny() -> None:
    assert make_purchases(Shop(3, 1, 1), 0, 1)["user_id"].to_list() == [0]
    assert make_users(Shop(3, 1, 1)).height == 1
