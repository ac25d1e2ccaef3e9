"""Writes aimed at the gaps of a read in slices, on any database: between two slices, before the first, before the seal.

One seed is one export. What it accepted is compared with what plain SQL saw just before the seal, while nobody wrote.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from exporter.open_source import open_source
from exporter.sliced_source import Axis, Gathered, Seal, SliceRows, StartOverError
from exporter.source import Source
from tests.exporter_days import pipeline, run_export

ROWS = 240
START = datetime(2026, 11, 13, 23, tzinfo=UTC)  # of 2026-11-14 in Berlin
SECONDS = 86_400
_TABLES = {
    "postgresql": "CREATE TABLE purchases (id bigint PRIMARY KEY, user_id bigint NOT NULL, "
    "purchased_at timestamptz NOT NULL, amount numeric(10,2) NOT NULL)",
    "mysql": "CREATE TABLE purchases (id bigint PRIMARY KEY, user_id bigint NOT NULL, "
    "purchased_at datetime(6) NOT NULL, amount decimal(10,2) NOT NULL) ENGINE=InnoDB",
}
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
        with engine.begin() as connection:
            connection.execute(sa.text(_TABLES[shop.backend]))
            connection.execute(sa.text("CREATE INDEX purchases_time ON purchases (purchased_at)"))
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
            return sorted(_row(*row) for row in found)

    def ids(self, connection: sa.Connection) -> list[int]:
        """All keys there are."""
        return [row[0] for row in connection.execute(sa.text("SELECT id FROM purchases ORDER BY id"))]


def _time(seconds: float) -> datetime:
    # MySQL's DATETIME has no zone, PostgreSQL's session none of ours: UTC by its offset in one, as it is in the other.
    return START + timedelta(seconds=round(seconds, 3))


def _amount(rng: random.Random) -> Decimal:
    return Decimal(rng.randrange(1, 100_000)) / 100


def _row(user_id: Any, purchased_at: Any, amount: Any) -> Row:
    at = purchased_at if purchased_at.tzinfo else purchased_at.replace(tzinfo=UTC)
    return int(user_id), at.astimezone(UTC), Decimal(str(amount))


# --- writes ----------------------------------------------------------------------------------------------------------

Write = Callable[[sa.Connection, Shop, random.Random], None]


def _insert(connection: sa.Connection, shop: Shop, rng: random.Random) -> None:
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


WRITES: tuple[Write, ...] = (_insert, _delete, _update, _move, _move_key, _replace, _swap, _shift, _touch)


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


# --- the harness -----------------------------------------------------------------------------------------------------


@dataclass
class Read:
    """One attempt: the rows it read, those that were there at the seal, and whether the seal agreed."""

    rows: list[Row] = field(default_factory=list)
    at_seal: list[Row] = field(default_factory=list)
    agreed: bool = False
    slices: int = 0

    @property
    def is_right(self) -> bool:
        """Whether it read exactly what was there at the seal."""
        return sorted(self.rows) == self.at_seal


class Gaps:
    """Opens the source of an export and calls `at_gap` with the number of the gap, counted over all attempts."""

    def __init__(self, shop: Shop, at_gap: Callable[[int], None]) -> None:
        self.shop = shop
        self.at_gap = at_gap
        self.gap = 0
        self.reads: list[Read] = []

    @contextmanager
    def __call__(self, url: str) -> Iterator[Source]:
        """Stand in for `open_source`."""
        with open_source(url) as source:
            begin = source.begin_slices
            source.begin_slices = lambda table: self._watch(begin(table))  # type: ignore[method-assign]
            yield source

    def _gap(self) -> None:
        self.at_gap(self.gap)
        self.gap += 1

    def _watch(self, slices: Any) -> Any:
        read = Read()
        self.reads.append(read)
        plan_axis, read_slice, gather, seal = slices.plan_axis, slices.read_slice, slices.gather, slices.seal

        def plan_fine(statement: Any) -> Any:
            axis = plan_axis(statement)
            # As if there were many more rows: so the few there are lie in many slices.
            return replace(axis, expected_rows=ROWS * 25) if isinstance(axis, Axis) else axis

        def read_one(low: int, high: int) -> SliceRows:
            self._gap()
            read.slices += 1
            return read_slice(low, high)  # type: ignore[no-any-return]

        def gather_some(some: Any) -> Gathered:
            gathered: Gathered = gather(some)
            read.rows += [_row(*row[:3]) for row in gathered.frame.iter_rows()]
            return gathered

        def seal_all(rows_read: int, checksum: int) -> Seal:
            self._gap()
            read.at_seal = self.shop.rows()
            found: Seal = seal(rows_read, checksum)
            read.agreed = found.agrees
            return found

        slices.plan_axis, slices.read_slice, slices.gather, slices.seal = plan_fine, read_one, gather_some, seal_all
        return slices


@dataclass(frozen=True)
class Outcome:
    """What became of one seed: reads that a seal refused although they were right, and whether one was accepted."""

    false_alarms: int
    caught: int
    accepted: bool


def export_with_writes(shop: Shop, folder: Path, seed: int) -> Outcome:
    """Export once with 0 to 4 writes, each at a gap of its own; AssertionError when what was accepted is wrong."""
    rng = random.Random(seed)
    shop.fill(seed)
    # A read has about 25 gaps; some writers come with the second read, some wait with their commit.
    writers = []
    for _ in range(rng.randrange(5)):
        begin = rng.randrange(35)
        writers.append(Writer(rng.choice(WRITES), begin, begin + rng.choice((0, 0, 0, rng.randrange(1, 10)))))

    def at_gap(gap: int) -> None:
        for writer in writers:
            writer.at(gap, shop, rng)

    gaps = Gaps(shop, at_gap)
    settings = pipeline(shop.url, folder, export={"read": "slices", "shards": 3})
    accepted: list[Row] | None = None
    try:
        exported = run_export(settings, opener=gaps)
        accepted = sorted(_row(r["user_id"], r["purchased_at"], r["amount"]) for r in exported.rows())
    except StartOverError:
        assert len(gaps.reads) == 3, "given up too early"
    finally:
        for writer in writers:
            if writer.open_ is not None:
                writer.open_.close()
    wrong = [n for n, read in enumerate(gaps.reads) if read.agreed and not read.is_right]
    assert not wrong, f"seed {seed}: reads {wrong} were sealed and are wrong"
    assert accepted is None or accepted == gaps.reads[-1].at_seal, f"seed {seed}: the shards hold something else"
    return Outcome(
        false_alarms=sum(read.is_right and not read.agreed for read in gaps.reads),
        caught=sum(not read.is_right and not read.agreed for read in gaps.reads),
        accepted=accepted is not None,
    )
