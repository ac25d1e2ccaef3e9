"""The demo shop's rows.

The same seed gives the same rows on every machine and in every database. All is integer arithmetic on the row's number,
mixed by the finaliser of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014), so a
shop of any size is made in one pass and needs no state.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

FIRST_DAY = "2026-10-20"
DAYS = 10
TIMEZONE = "Europe/Berlin"
_START = datetime(2026, 10, 19, 22, tzinfo=UTC)  # midnight in Berlin
_SECONDS = (DAYS * 24 + 1) * 3600  # the 25th has 25 hours

_GOLDEN = 0x9E3779B97F4A7C15
_COUNTRIES = ("DE", "AT", "CH", "FR", "IT", "ES", "NL", "PL")
_STATUSES = ["paid"] * 88 + ["refunded"] * 5 + ["cancelled"] * 4 + ["pending"] * 3
_REFUNDED = [number for number, status in enumerate(_STATUSES) if status == "refunded"]
_WHALES = 100
"""So many users make a twentieth of all purchases."""


@dataclass(frozen=True, slots=True)
class Shop:
    """What a shop is made of.

    Users have ids from 0, purchases from 1.
    """

    seed: int
    users: int
    purchases: int


def make_users(shop: Shop) -> pl.DataFrame:
    """Return user_id, name, country, joined_at (UTC)."""
    number = pl.int_range(0, shop.users, dtype=pl.UInt64, eager=True).alias("number")
    draw = _mixed("number", shop.seed, 0)
    country = ((draw % 64) * (draw % 61) // 500).clip(0, len(_COUNTRIES) - 1)
    return number.to_frame().select(
        user_id=pl.col("number").cast(pl.Int64),
        name=pl.format("User {}", pl.col("number").cast(pl.String).str.zfill(6)),
        country=country.replace_strict(range(len(_COUNTRIES)), _COUNTRIES, return_dtype=pl.String),
        joined_at=pl.lit(datetime(2024, 1, 1)) + pl.duration(seconds=(draw // (1 << 20)) % (600 * 86_400)),  # noqa: DTZ001 - UTC
    )


def make_purchases(shop: Shop, first: int, count: int) -> pl.DataFrame:
    """Yield the shop's purchases.

    purchase_id, user_id, amount (text, two decimal places), status, purchased_at (UTC, whole seconds). `first` is the
    number of the first row, from 0. Ids rise with time. Of a hundred purchases some 88 are paid, 5 refunded (a negative
    amount), 4 cancelled, 3 pending.
    """
    number = pl.int_range(first, first + count, dtype=pl.UInt64, eager=True).alias("number")
    who, how_much, what = (_mixed("number", shop.seed, stream) for stream in (1, 2, 3))
    drawn = who % (1 << 21)
    # The square of a uniform draw: the lower half of its range takes seven purchases of ten. Then spread over all ids.
    skewed = (drawn * drawn * shop.users) // (1 << 42) * 48_271 % shop.users
    whale = (who // (1 << 21)) % min(_WHALES, shop.users) * 977 % shop.users
    per_cent = what % 100
    cents = (how_much % 20_000 + pl.lit(99, pl.UInt64) + (how_much // (1 << 32)) % 100 // 98 * 50_000).cast(pl.Int64)
    signed = pl.when(per_cent.is_in(_REFUNDED)).then(-cents).otherwise(cents)
    second = (pl.col("number").cast(pl.Int64) * _SECONDS) // shop.purchases
    return number.to_frame().select(
        purchase_id=pl.col("number").cast(pl.Int64) + 1,
        user_id=pl.when(what // 100 % 20 == 0).then(whale).otherwise(skewed).cast(pl.Int64),
        amount=_money(signed),
        status=per_cent.replace_strict(range(100), _STATUSES, return_dtype=pl.String),
        purchased_at=pl.lit(_START.replace(tzinfo=None)) + pl.duration(seconds=second),
    )


def _mixed(column: str, seed: int, stream: int) -> pl.Expr:
    """Return 64 well-mixed bits (UInt64) of the row's number for this seed; streams are independent of each other."""
    start = (seed * 4 + stream + 1) * _GOLDEN % 2**64
    bits = pl.col(column) * pl.lit(_GOLDEN, pl.UInt64) + pl.lit(start, pl.UInt64)
    bits = (bits ^ (bits // (1 << 30))) * pl.lit(0xBF58476D1CE4E5B9, pl.UInt64)
    bits = (bits ^ (bits // (1 << 27))) * pl.lit(0x94D049BB133111EB, pl.UInt64)
    return bits ^ (bits // (1 << 31))


def _money(cents: pl.Expr) -> pl.Expr:
    """Return cents as text with two decimal places, exactly."""
    whole, rest = cents.abs() // 100, cents.abs() % 100
    sign = pl.when(cents < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.concat_str(sign, whole.cast(pl.String), pl.lit("."), rest.cast(pl.String).str.zfill(2))
