"""A small day on any database, and the writes that others do to it while it is read."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from tests.shop.purchases import create_purchases

ROWS = 240
START = datetime(2026, 11, 13, 23, tzinfo=UTC)  # of 2026-11-14 in Berlin
SECONDS = 86_400
_TIMES = {"postgresql": "timestamptz", "mysql": "datetime(6)"}
# One thread does all writes: one that waits for another would wait for itself.
_WAIT_SHORTLY = {
    "postgresql": "SET lock_timeout = '100ms'",
    "mysql": "SET SESSION innodb_lock_wait_timeout = 1",
}
_COLUMNS = "user_id, purchased_at, amount"

Row = tuple[int, datetime, Decimal]


@dataclass
class Shop:
    """A table `purchases` of 240 rows on one day, 0 to 3 of them on the days beside it."""

    url: str
    engine: sa.Engine

    @classmethod
    def create(cls, url: str) -> Shop:
        """Create the table, with an index on its time."""
        engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="READ COMMITTED")
        shop = cls(url, engine)
        time = f"{_TIMES[shop.backend]} NOT NULL"
        create_purchases(url, columns={"purchased_at": time, "amount": "decimal(10,2) NOT NULL"})
        return shop

    @property
    def backend(self) -> str:
        """`postgresql` or `mysql`, which is MariaDB, too."""
        return "postgresql" if self.engine.dialect.name == "postgresql" else "mysql"

    def fill(self, seed: int) -> None:
        """Make it as the seed has it; ids rise with time, roughly."""
        rng = random.Random(seed)
        times = sorted(rng.uniform(-2, SECONDS + 2) for _ in range(ROWS))
        rows = [
            {"id": n * 10, "user_id": rng.randrange(50), "purchased_at": _time(at), "amount": _amount(rng)}
            for n, at in enumerate(times, start=1)
        ]
        with self.engine.begin() as connection:
            connection.execute(sa.text("DELETE FROM purchases"))
            connection.execute(
                sa.text(
                    "INSERT INTO purchases (id, user_id, purchased_at, amount) "
                    "VALUES (:id, :user_id, :purchased_at, :amount)"
                ),
                rows,
            )
            if self.backend == "postgresql":
                connection.execute(sa.text("ANALYZE purchases"))

    def rows(self) -> list[Row]:
        """What the day holds now."""
        with self.engine.connect() as connection:
            found = connection.execute(
                sa.text(f"SELECT {_COLUMNS} FROM purchases WHERE purchased_at >= :low AND purchased_at < :high"),
                {"low": _time(0), "high": _time(SECONDS)},
            )
            return sorted(as_row(*row) for row in found)

    def ids(self, connection: sa.Connection) -> list[int]:
        """All keys there are."""
        return [row[0] for row in connection.execute(sa.text("SELECT id FROM purchases ORDER BY id"))]


def _time(seconds: float) -> datetime:
    # MySQL's DATETIME has no zone, PostgreSQL's session none of ours: UTC by its offset in one, as it is in the other.
    return START + timedelta(seconds=round(seconds, 3))


def _amount(rng: random.Random) -> Decimal:
    return Decimal(rng.randrange(1, 100_000)) / 100


def as_row(user_id: Any, purchased_at: Any, amount: Any) -> Row:
    at = purchased_at if purchased_at.tzinfo else purchased_at.replace(tzinfo=UTC)
    return int(user_id), at.astimezone(UTC), Decimal(str(amount))


# --- writes ----------------------------------------------------------------------------------------------------------

Write = Callable[[sa.Connection, Shop, random.Random], None]


def insert(connection: sa.Connection, shop: Shop, rng: random.Random) -> None:
    _put(connection, rng, _time(rng.uniform(0, SECONDS - 1)), _amount(rng))


def _put(connection: sa.Connection, rng: random.Random, at: datetime, amount: Decimal) -> None:
    connection.execute(
        sa.text("INSERT INTO purchases (id, user_id, purchased_at, amount) VALUES (:id, :user, :at, :amount)"),
        {
            "id": rng.randrange(1, ROWS) * 10 + rng.randrange(1, 10),
            "user": rng.randrange(50),
            "at": at,
            "amount": amount,
        },
    )


def _pick(connection: sa.Connection, shop: Shop, rng: random.Random) -> int:
    return rng.choice(shop.ids(connection))


def _delete(connection: sa.Connection, shop: Shop, rng: random.Random) -> None:
    connection.execute(sa.text("DELETE FROM purchases WHERE id = :id"), {"id": _pick(connection, shop, rng)})


def _update(connection: sa.Connection, shop: Shop, rng: random.Random) -> None:
    connection.execute(
        sa.text("UPDATE purchases SET amount = :amount WHERE id = :id"),
        {"id": _pick(connection, shop, rng), "amount": _amount(rng)},
    )


def _move(connection: sa.Connection, shop: Shop, rng: random.Random) -> None:
    """To another time: from a slice that was read into one that was not, or the other way."""
    connection.execute(
        sa.text("UPDATE purchases SET purchased_at = :at WHERE id = :id"),
        {"id": _pick(connection, shop, rng), "at": _time(rng.uniform(-1, SECONDS + 1))},
    )


def _move_key(connection: sa.Connection, shop: Shop, rng: random.Random) -> None:
    new = rng.randrange(1, ROWS) * 10 + rng.randrange(1, 10)
    connection.execute(
        sa.text("UPDATE purchases SET id = :new WHERE id = :id"), {"id": _pick(connection, shop, rng), "new": new}
    )


def _replace(connection: sa.Connection, shop: Shop, rng: random.Random) -> None:
    """Delete a row and insert another of the same amount: count and sum stay as they are."""
    picked = _pick(connection, shop, rng)
    found = connection.execute(sa.text("SELECT amount FROM purchases WHERE id = :id"), {"id": picked}).scalar_one()
    connection.execute(sa.text("DELETE FROM purchases WHERE id = :id"), {"id": picked})
    _put(connection, rng, _time(rng.uniform(0, SECONDS - 1)), found)


def _swap(connection: sa.Connection, shop: Shop, rng: random.Random) -> None:
    """Two rows swap their amounts: count and sum stay as they are, each column keeps its values."""
    one, other = rng.sample(shop.ids(connection), 2)
    amounts: dict[int, Decimal] = dict(
        connection.execute(
            sa.text("SELECT id, amount FROM purchases WHERE id IN (:one, :other)"), {"one": one, "other": other}
        ).all()
    )
    for row, value in ((one, amounts[other]), (other, amounts[one])):
        connection.execute(sa.text("UPDATE purchases SET amount = :a WHERE id = :id"), {"id": row, "a": value})


def _shift(connection: sa.Connection, shop: Shop, rng: random.Random) -> None:
    """A cent more here, a cent less there."""
    for row, cents in zip(rng.sample(shop.ids(connection), 2), ("0.01", "-0.01"), strict=True):
        connection.execute(
            sa.text("UPDATE purchases SET amount = amount + :c WHERE id = :id"), {"id": row, "c": Decimal(cents)}
        )


def _touch(connection: sa.Connection, shop: Shop, rng: random.Random) -> None:
    """Write a row as it is."""
    connection.execute(
        sa.text("UPDATE purchases SET amount = amount WHERE id = :id"), {"id": _pick(connection, shop, rng)}
    )


WRITES: tuple[Write, ...] = (insert, _delete, _update, _move, _move_key, _replace, _swap, _shift, _touch)


@dataclass
class Writer:
    """Does its write at gap `begin` and commits it at gap `commit`, both counted from 0 over the whole first read."""

    write: Write
    begin: int
    commit: int
    open_: sa.Connection | None = None

    def at(self, gap: int, shop: Shop, rng: random.Random) -> None:
        """Do what is due."""
        if gap >= self.begin and self.open_ is None and self.begin >= 0:
            self.open_ = shop.engine.connect()
            self.open_.execute(sa.text(_WAIT_SHORTLY[shop.backend]))
            try:
                self.write(self.open_, shop, rng)
            except (sa.exc.IntegrityError, sa.exc.OperationalError):
                # The new key is taken, or another writer holds the row and commits later: nothing was written.
                self.open_.rollback()
            self.begin = -1
        if gap >= self.commit and self.open_ is not None:
            self.open_.commit()
            self.open_.close()
            self.open_ = None
