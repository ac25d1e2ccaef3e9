"""Seeded shops: the rows that a busy table may hold around one business day, and what its columns are like.

Each builder makes rows on both sides of the day's edges, and on them. Nothing here knows how Penstock reads.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from tests.acceptance.oracle import BusinessDay, Key, Row

PAID, REFUNDED, OPEN = "paid", "refunded", "open"


@dataclass(frozen=True, slots=True)
class Names:
    """Identifiers of the source and the target; `schema` on PostgreSQL only."""

    schema: str | None = None
    table: str = "purchases"
    key: str = "user_id"
    time: str = "purchased_at"
    amount: str = "amount"
    status: str = "status"
    target: str = "revenue"


@dataclass(frozen=True, slots=True)
class Shop:
    """A table and its rows. `time_kind` is `zoned`, `naive` (UTC, microseconds) or `seconds` (UTC, whole seconds)."""

    name: str
    rows: tuple[Row[Key], ...]
    digits: int = 12
    scale: int = 2
    key_kind: str = "integer"
    time_kind: str = "naive"
    status: str | None = None
    """Only rows of this status count."""
    names: Names = field(default_factory=Names)


def build_shop(name: str, day: BusinessDay) -> Shop:
    """Return the shop of that name around that day; the same one each time."""
    shop = SHOPS[name](day, random.Random(f"{name} {day}"))
    if shop.time_kind == "seconds":
        return replace(shop, rows=tuple(replace(row, at=row.at.replace(microsecond=0)) for row in shop.rows))
    return shop


def _instants(day: BusinessDay, chance: random.Random, count: int) -> list[datetime]:
    """Return instants: first the edges of the day and their neighbours, then any, half of them inside."""
    first, last_minute = day.first_and_last_minute()
    end = last_minute + timedelta(minutes=1)
    steps = (timedelta(0), timedelta(microseconds=1), timedelta(seconds=1), timedelta(milliseconds=500))
    edges = [edge + sign * step for edge in (first, end) for step in steps for sign in (-1, 1)]
    return edges + [first + (end - first) * chance.uniform(-0.5, 1.5) for _ in range(count - len(edges))]


def _skew(day: BusinessDay, chance: random.Random) -> Shop:
    """A few users buy nearly all; refunds; other statuses that do not count."""
    statuses = [PAID, PAID, PAID, REFUNDED, OPEN]
    rows = [
        Row(int(chance.paretovariate(0.4)) % 500, at, _money(chance, -5000, 20000), chance.choice(statuses))
        for at in _instants(day, chance, 1200)
    ]
    return Shop("skew", tuple(rows), status=PAID)


def _refunds(day: BusinessDay, chance: random.Random) -> Shop:
    """Many users whose sums are zero or negative, and some who bought for nothing."""
    rows = []
    for key, at in enumerate(_instants(day, chance, 300)):
        price = _money(chance, 1, 10_000)
        given_back = (Decimal("0.00"), -price, -price - Decimal("0.01"))[key % 3]
        rows += [Row(key, at, price, PAID), Row(key, at, given_back, PAID)]
    return Shop("refunds", tuple(rows), time_kind="zoned")


def _limits(day: BusinessDay, chance: random.Random) -> Shop:
    """The largest amounts that DECIMAL(20,2) holds; the sums of three users do not fit into it any more."""
    most = Decimal("999999999999999999.99")
    amounts = [most, -most, Decimal("0.01"), Decimal("-0.01"), Decimal("0.00")]
    rows = [Row(key % 40, at, chance.choice(amounts), PAID) for key, at in enumerate(_instants(day, chance, 400))]
    inside = day.first_and_last_minute()[0] + timedelta(hours=2)
    rows += [Row(7, inside, most, PAID)] * 11 + [Row(8, inside, -most, PAID)] * 11
    return Shop("limits", tuple(rows), digits=20)


def _keys(day: BusinessDay, chance: random.Random) -> Shop:
    """Keys that are negative, zero, beyond 2^53 (where floats end) and at both ends of 64 bits."""
    keys = [0, -1, 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), *range(-40, 40, 7)]
    rows = [Row(chance.choice(keys), at, _money(chance, -900, 900), PAID) for at in _instants(day, chance, 400)]
    return Shop("keys", tuple(rows), time_kind="zoned")


def _text_keys(day: BusinessDay, chance: random.Random) -> Shop:
    """Keys of text, some alike but for case, accents, quotes or length."""
    keys: list[Key] = ["Ada", "ada", "ADA", "Ädä", "O'Brien", 'say "hi"', "a,b;c", "back\\slash", "tab\there", "x" * 60]
    keys += ["日本", "naïve", "100%", ":colon", "{brace}", "<b>", "NULL", "0", "00"]
    rows = [Row(chance.choice(keys), at, _money(chance, 1, 900), PAID) for at in _instants(day, chance, 300)]
    return Shop("text_keys", tuple(rows), key_kind="text")


def _seconds(day: BusinessDay, chance: random.Random) -> Shop:
    """A time column of whole seconds, amounts without fraction."""
    rows = [
        Row(key % 60, at, Decimal(chance.randint(-5, 99)), PAID) for key, at in enumerate(_instants(day, chance, 400))
    ]
    return Shop("seconds", tuple(rows), digits=9, scale=0, time_kind="seconds")


def _odd_names(day: BusinessDay, chance: random.Random) -> Shop:
    """Identifiers with spaces, quotes, dots, accents and the signs drivers replace; reserved words."""
    shop = _skew(day, chance)
    names = Names(
        table='Käufe "alt".2026',
        key="user id",
        time="order",
        amount="Betrag (%s) €",
        status="select",
        target="Umsatz: je `Tag`?",
    )
    return replace(shop, name="odd_names", rows=shop.rows[:300], names=names)


def _schema(day: BusinessDay, chance: random.Random) -> Shop:
    """A table in a schema of its own, with four decimal places."""
    rows = [Row(key % 90, at, _money(chance, -99, 99, 4), PAID) for key, at in enumerate(_instants(day, chance, 300))]
    return Shop("schema", tuple(rows), digits=18, scale=4, names=Names(schema="shop"))


def _one_user(day: BusinessDay, chance: random.Random) -> Shop:
    rows = [Row(42, at, _money(chance, -50, 100), PAID) for at in _instants(day, chance, 200)]
    return Shop("one_user", tuple(rows))


def _one_row(day: BusinessDay, chance: random.Random) -> Shop:
    return Shop("one_row", (Row(0, day.first_and_last_minute()[0], Decimal("0.01"), PAID),), time_kind="zoned")


def _no_row_of_the_day(day: BusinessDay, chance: random.Random) -> Shop:
    """Rows on the days around it, none in it."""
    rows = [Row(key % 9, at, _money(chance, 1, 9), PAID) for key, at in enumerate(_instants(day, chance, 100))]
    return Shop("no_row_of_the_day", tuple(row for row in rows if not day.holds(row.at)))


def _no_row(day: BusinessDay, chance: random.Random) -> Shop:
    return Shop("no_row", ())


def _money(chance: random.Random, least: int, most: int, scale: int = 2) -> Decimal:
    return Decimal(chance.randint(least * 10**scale, most * 10**scale)).scaleb(-scale)


SHOPS: dict[str, Callable[[BusinessDay, random.Random], Shop]] = {
    "skew": _skew,
    "refunds": _refunds,
    "limits": _limits,
    "keys": _keys,
    "text_keys": _text_keys,
    "seconds": _seconds,
    "odd_names": _odd_names,
    "schema": _schema,
    "one_user": _one_user,
    "one_row": _one_row,
    "no_row_of_the_day": _no_row_of_the_day,
    "no_row": _no_row,
}
