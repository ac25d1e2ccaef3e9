"""A shop of three tables on any server: purchases, refunds and users; what a day comes to, in plain Python."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2026, 11, 14, tzinfo=BERLIN).astimezone(UTC)
END = datetime(2026, 11, 15, tzinfo=BERLIN).astimezone(UTC)

WITH: dict[str, Any] = {
    "refunds": {"table": "refunds", "key": "user_id", "time": "refunded_at", "columns": ["amount"]},
    "users": {"table": "users", "key": "id", "columns": ["country"]},
}
"""`[source.with]` of a pipeline over it."""


@dataclass(frozen=True)
class NetShop:
    """Rows of each table: (id, user, time, amount) twice, and (user, country)."""

    purchases: list[tuple[int, int, datetime, Decimal]]
    refunds: list[tuple[int, int, datetime, Decimal]]
    users: list[tuple[int, str | None]]

    def of_day(self, table: str) -> list[tuple[int, Decimal]]:
        """User and amount of the day's rows."""
        rows = self.purchases if table == "purchases" else self.refunds
        return [(user, amount) for _, user, at, amount in rows if START <= at < END]

    def buyers(self) -> set[int]:
        """The users of the day's rows, whichever table they are in."""
        return {user for table in ("purchases", "refunds") for user, _ in self.of_day(table)}

    def net(self) -> dict[int, tuple[Decimal, str | None]]:
        """Net revenue and country of each user of the day."""
        found: defaultdict[int, Decimal] = defaultdict(Decimal)
        for user, amount in self.of_day("purchases"):
            found[user] += amount
        for user, amount in self.of_day("refunds"):
            found[user] -= amount
        countries = dict(self.users)
        return {user: (total, countries.get(user)) for user, total in found.items()}


def make_net_shop(seed: int = 7, *, rows: int = 600) -> NetShop:
    """Return a shop of three days, some of whose buyers are no known users and some users buy nothing."""
    rng = random.Random(seed)

    def row(number: int, most: str) -> tuple[int, int, datetime, Decimal]:
        at = START + timedelta(seconds=rng.randrange(-86_400, 2 * 86_400))
        return number, rng.randrange(1, 120), at, Decimal(rng.randrange(1, int(most))) / 100

    purchases = [row(number, "1000000") for number in range(rows)]
    refunds = [row(number, "50000") for number in range(rows // 5)]
    edges = [(rows, 500, START, Decimal("0.01")), (rows + 1, 501, END, Decimal("0.02"))]
    users = [(user, rng.choice(["DE", "FR", "Åland", None])) for user in range(1, 700) if user % 10]
    return NetShop([*purchases, *edges], [*refunds, (rows, 502, START, Decimal("0.03"))], users)


def create_net_shop(database: Database | str, shop: NetShop, *, time_index: bool = True) -> Database:
    """Create the three tables and insert the rows."""
    database = create_purchases(database, shop.purchases)
    instant = {"sqlite": "timestamp", "postgresql": "timestamptz"}.get(database.dialect, "timestamp(6)")
    database.execute(
        f"CREATE TABLE refunds (id bigint PRIMARY KEY, user_id bigint NOT NULL, refunded_at {instant} NOT NULL, "
        "amount decimal(10,2) NOT NULL)"
    )
    if time_index:
        database.execute("CREATE INDEX refunds_by_time ON refunds (refunded_at)")
    database.execute("CREATE TABLE users (id bigint PRIMARY KEY, country varchar(20))")
    hole = "?" if database.dialect == "sqlite" else "%s"
    refunds = [
        (number, user, _time(database, at), _money(database, amount)) for number, user, at, amount in shop.refunds
    ]
    database.execute(f"INSERT INTO refunds VALUES ({', '.join([hole] * 4)})", list(refunds))
    database.execute(f"INSERT INTO users VALUES ({hole}, {hole})", list(shop.users))
    return database


def _time(database: Database, at: datetime) -> object:
    if database.dialect == "postgresql":
        return at
    naive = at.astimezone(UTC).replace(tzinfo=None)
    return naive.isoformat(sep=" ", timespec="microseconds") if database.dialect == "sqlite" else naive


def _money(database: Database, amount: Decimal) -> object:
    return str(amount) if database.dialect == "sqlite" else amount
