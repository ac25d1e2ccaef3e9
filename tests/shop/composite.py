"""A shop whose purchases have a key of several columns, on any database, and what its days must come to."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.acceptance.oracle import BusinessDay, Row, revenue_of
from tests.shop.purchases import create_purchases, insert_purchases
from tests.shop.shard_reference import shard_of_key
from tests.shop.tables import Database

KeyRow = Row[tuple[Any, ...]]
"""A purchase of a key of several columns."""
DAY = BusinessDay(date(2026, 11, 14), "Europe/Berlin")
NOON = datetime(2026, 11, 14, 11, tzinfo=UTC)
LABELS = ["", " ", "ada", "Ada", "ADA", "ada ", " ada", "Ädä", "A\u0308da\u0308", "日本", 'say "hi"', "O'Brien", "a,b"]
LABELS += ["back\\slash", "tab\there", "x" * 60, "\U0001d11e", "0", "-1", "NULL", "%s", "line\nbreak"]
BLOBS = [b"", b"\x00", b"\x00\x00", b"a", b"A", b"a ", b"\xff" * 16]
SHOPS = [-(2**63), -1, 0, 1, 2, 2**53 + 1, 2**63 - 1]
CODES = [Decimal(code) for code in (-(10**18) + 1, -1, 0, 7, 10**18 - 1)]

REGIONS = ["", "a", "A", "a ", "ä"]
"""Texts of latin1 under a collation that fills up with spaces, where the database has such."""
_REGION = {
    "sqlite": "TEXT",
    "postgresql": 'varchar(60) COLLATE "C"',
    "mariadb": "varchar(60) CHARACTER SET latin1 COLLATE latin1_bin",
    "mysql": "varchar(60) CHARACTER SET latin1 COLLATE latin1_bin",
}
_TEXT = {
    "sqlite": "TEXT",
    "postgresql": "varchar(60)",
    "mariadb": "varchar(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin",
    "mysql": "varchar(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin",
}
_BYTES = {"sqlite": "BLOB", "postgresql": "bytea", "mariadb": "varbinary(20)", "mysql": "varbinary(20)"}
_TIME = {
    "sqlite": "TIMESTAMP",
    "postgresql": "timestamptz",
    "mariadb": "TIMESTAMP(6) NULL",
    "mysql": "TIMESTAMP(6) NULL",
}

KEYS: dict[str, dict[str, list[Any]]] = {
    "number and text": {"shop_id": SHOPS, "user_id": LABELS},
    "text, bytes, number": {"user_id": LABELS[:8], "device": BLOBS, "shop_id": SHOPS[1:4]},
    "decimal and two texts": {"code": CODES, "region": REGIONS, "user_id": LABELS},
}


@dataclass(frozen=True)
class CompositeShop:
    """A table `purchases` with the key columns of `KEYS[kind]`."""

    database: Database
    kind: str

    @property
    def key(self) -> list[str]:
        """The key's columns, in its order."""
        return list(KEYS[self.kind])

    def create(self, rows: Sequence[KeyRow], *, nullable: bool = False) -> None:
        """Make the table, its keys in another order than the pipeline's, and fill it."""
        dialect = self.database.dialect
        types = {"shop_id": "bigint", "code": "decimal(18,0)", "user_id": _TEXT[dialect]}
        types |= {"device": _BYTES[dialect], "region": _REGION[dialect]}
        columns: dict[str, str | None] = {"id": "integer PRIMARY KEY"}
        columns |= {name: f"{types[name]}{'' if nullable else ' NOT NULL'}" for name in reversed(self.key)}
        columns |= {"purchased_at": _TIME[dialect], "amount": "decimal(12,2) NOT NULL"}
        create_purchases(self.database, self._values(rows), columns=columns)

    def insert(self, rows: Sequence[KeyRow], first_id: int = 0) -> None:
        """Add rows."""
        insert_purchases(self.database, self._values(rows, first_id))

    def _values(self, rows: Sequence[KeyRow], first_id: int = 0) -> list[tuple[Any, ...]]:
        return [(first_id + number, *reversed(row.key), row.at, row.amount) for number, row in enumerate(rows)]

    def expected(self, rows: Sequence[KeyRow]) -> dict[Any, tuple[Decimal, int]]:
        """What the target must hold of the day, by plain Python."""
        return revenue_of(rows, DAY, None)

    def revenue(self, target: Database) -> dict[Any, tuple[Decimal, int]]:
        """What the target holds, by the bare driver."""
        found = target.execute(f"SELECT {', '.join(self.key)}, revenue, purchases FROM revenue WHERE day = '{DAY.day}'")
        keys = [tuple(self._read(name, value) for name, value in zip(self.key, row, strict=False)) for row in found]
        assert len(set(keys)) == len(keys)
        return {key: (Decimal(str(row[-2])), int(row[-1])) for key, row in zip(keys, found, strict=True)}

    def _read(self, name: str, value: Any) -> Any:
        return Decimal(str(value)) if name == "code" else value

    def home(self, key: tuple[Any, ...], shards: int) -> int:
        """Which shard a key belongs to, by plain Python."""
        return shard_of_key([int(value) if isinstance(value, Decimal) else value for value in key], shards)


def purchases(kind: str, count: int = 900, seed: int = 1) -> list[KeyRow]:
    """Rows of a day and of the hours around it; every fourth key has none."""
    chance = random.Random(seed)
    columns = list(KEYS[kind].values())
    keys = [tuple(chance.choice(values) for values in columns) for _ in range(count // 3)]
    return [
        Row(
            chance.choice(keys[: len(keys) * 3 // 4]),
            NOON + timedelta(microseconds=chance.randrange(-18 * 3600 * 10**6, 18 * 3600 * 10**6)),
            Decimal(chance.randrange(-50_000, 90_000)).scaleb(-2),
            "paid",
        )
        for _ in range(count)
    ]
