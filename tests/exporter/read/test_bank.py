"""Two tables between which transactions move money: every export has the exact total, whatever is written meanwhile."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from exporter.open_source import open_source
from exporter.port.database import Source
from exporter.port.question import MOST_READS
from exporter.port.sliced_source import StartOverError
from exporter.port.source import Estimate, Statement
from tests.exporter.days import pipeline, run_export
from tests.exporter.several_gaps import SeveralGaps
from tests.exporter.sliced_reads import calm
from tests.shop.net_shop import START
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

ACCOUNTS = 40
EACH = 1000
WITH = {"savings": {"table": "savings", "key": "user_id", "time": "at", "columns": ["amount"]}}


@pytest.fixture(params=["postgres", "mariadb", "mysql"])
def bank(request: pytest.FixtureRequest) -> Database:
    database = Database(request.getfixturevalue(f"{request.param}_database"))
    instant = "timestamptz" if database.dialect == "postgresql" else "timestamp(6)"
    for table in ("giro", "savings"):
        database.execute(
            f"CREATE TABLE {table} (user_id bigint PRIMARY KEY, at {instant} NOT NULL, amount decimal(12,2) NOT NULL)"
        )
        database.execute(f"CREATE INDEX {table}_by_time ON {table} (at)")
        at = START if database.dialect == "postgresql" else START.replace(tzinfo=None)
        database.execute(f"INSERT INTO {table} VALUES (%s, %s, %s)", [(user, at, EACH) for user in range(ACCOUNTS)])
    return database


class Transfers:
    """Moves one unit from one table to the other and back, each in a transaction, as often as it is asked to."""

    def __init__(self, bank: Database) -> None:
        self._engine = sa.create_engine(bank.url, poolclass=sa.NullPool)
        self._connection = self._engine.connect()
        self.moved = 0

    def move(self) -> None:
        user = self.moved % ACCOUNTS
        for table, sign in (("giro", "-"), ("savings", "+")):
            self._connection.execute(sa.text(f"UPDATE {table} SET amount = amount {sign} 1 WHERE user_id = {user}"))
        self._connection.commit()
        self.moved += 1

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()


@contextmanager
def writing(bank: Database) -> Iterator[Transfers]:
    """A writer that moves money until the block ends, some hundred times a second."""
    ended, transfers = threading.Event(), Transfers(bank)

    def write() -> None:
        while not ended.wait(0.002):
            transfers.move()

    transfers.move()
    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield transfers
    finally:
        ended.set()
        thread.join()
        transfers.close()


def total_of(bank: Database, folder: Path, number: int, opener: Any = open_source, *, read: str = "auto") -> Decimal:
    settings = pipeline(
        bank.url,
        folder / f"staging-{number}",
        export={"shards": 2, "read": read},
        table="giro",
        time="at",
        **{"with": WITH},
    )
    manifest = run_export(calm(settings), opener=opener).manifest
    return Decimal(manifest["sums"]["amount"]) + Decimal(manifest["tables"][0]["sums"]["amount"])


def check_exports(bank: Database, folder: Path, exports: int) -> None:
    began = time.monotonic()
    with writing(bank) as transfers:
        totals = [total_of(bank, folder, number) for number in range(exports)]
    print(f"{bank.dialect}: {transfers.moved} transfers in {time.monotonic() - began:.0f} s beside {exports} exports")
    assert transfers.moved > 0
    assert totals == [2 * ACCOUNTS * EACH] * exports


def test_every_export_has_the_exact_total_while_money_moves(bank: Database, tmp_path: Path) -> None:
    check_exports(bank, tmp_path, 4)


@pytest.mark.nightly
def test_two_hundred_exports_have_the_exact_total_while_money_moves(bank: Database, tmp_path: Path) -> None:
    check_exports(bank, tmp_path, 200)


def test_money_that_moves_between_the_reads_of_two_tables_counts_once(bank: Database, tmp_path: Path) -> None:
    """The very moment at which a read outside of the snapshot would be wrong, made to happen."""
    transfers = Transfers(bank)

    @contextmanager
    def opener(url: str) -> Iterator[Source]:
        with open_source(url) as source:
            begin = source.begin_snapshot

            def begin_snapshot(*args: Any, **options: Any) -> Any:
                snapshot = begin(*args, **options)
                read = snapshot.read

                def read_then_move(statement: Statement, estimate: Estimate) -> Iterator[pl.DataFrame]:
                    yield from read(statement, estimate)
                    transfers.move()

                snapshot.read = read_then_move  # type: ignore[method-assign] # what this test plays
                return snapshot

            source.begin_snapshot = begin_snapshot  # type: ignore[method-assign] # what this test plays
            yield source

    try:
        assert total_of(bank, tmp_path, 0, opener) == 2 * ACCOUNTS * EACH
        assert transfers.moved == 1
    finally:
        transfers.close()


def test_a_second_table_that_is_read_outside_of_the_snapshot_is_found_out_by_this_test(
    bank: Database, tmp_path: Path
) -> None:
    """What the test above rests on: with the one transaction taken away the total is wrong."""
    transfers = Transfers(bank)

    @contextmanager
    def opener(url: str) -> Iterator[Source]:
        with open_source(url) as source, open_source(url) as other:
            begin = source.begin_snapshot

            def begin_snapshot(table: Any, **options: Any) -> Any:
                snapshot = begin(table, **options)
                snapshot.fetch(f"SELECT count(*) FROM {snapshot.table_sql}")
                transfers.move()
                outside = other.begin_snapshot(options["also"][0], max_seconds=20)
                snapshot.beside = lambda table: outside  # type: ignore[method-assign] # the fault that is played
                return snapshot

            source.begin_snapshot = begin_snapshot  # type: ignore[method-assign] # what this test plays
            yield source

    try:
        assert total_of(bank, tmp_path, 0, opener) == 2 * ACCOUNTS * EACH + 1
    finally:
        transfers.close()


class SlicedBank:
    """Exports the bank in slices; `is_due` says at which gaps of a read money is moved."""

    def __init__(self, bank: Database, folder: Path, is_due: Callable[[str, int], bool], *, seals: bool) -> None:
        self._bank, self._folder, self._is_due, self._seals = bank, folder, is_due, seals
        self._transfers = Transfers(bank)
        self.exports = self.refused = self.wrong = 0

    def export(self) -> None:
        """Export once; an export that is refused counts as none."""
        gaps = SeveralGaps(lambda kind: self._move(kind, gaps.reads), seals=self._seals)
        self.exports += 1
        try:
            total = total_of(self._bank, self._folder, self.exports, gaps, read="slices")
        except StartOverError:
            self.refused += 1
        else:
            self.wrong += total != 2 * ACCOUNTS * EACH

    def close(self) -> None:
        self._transfers.close()

    def _move(self, kind: str, reads: int) -> None:
        if self._is_due(kind, reads):
            self._transfers.move()


@contextmanager
def sliced_bank(
    bank: Database, folder: Path, is_due: Callable[[str, int], bool], *, seals: bool = True
) -> Iterator[SlicedBank]:
    made = SlicedBank(bank, folder, is_due, seals=seals)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("kind", ["savings/slice", "giro/seal", "savings/seal"])
def test_money_that_moves_between_two_tables_read_in_slices_counts_once(
    bank: Database, tmp_path: Path, kind: str
) -> None:
    """Before the seal it makes the day be read again; within the seal's snapshot nobody sees it."""
    with sliced_bank(bank, tmp_path, lambda found, reads: found == kind and reads == 1) as exports:
        exports.export()
    assert (exports.refused, exports.wrong) == (0, 0)


def test_without_the_seal_money_that_moves_between_two_tables_is_counted_twice(bank: Database, tmp_path: Path) -> None:
    """What the test above rests on."""
    with sliced_bank(bank, tmp_path, lambda kind, _: kind == "savings/slice", seals=False) as exports:
        exports.export()
    assert (exports.refused, exports.wrong) == (0, 1)


def at_random_gaps(seed: int, chance: float = 0.02) -> Callable[[str, int], bool]:
    """Money moves now and then, and no more in the third read of an export: so each comes through."""
    rng = random.Random(seed)
    return lambda _kind, reads: reads < MOST_READS and rng.random() < chance


@pytest.mark.nightly
def test_two_hundred_exports_in_slices_have_the_exact_total(bank: Database, tmp_path: Path) -> None:
    with sliced_bank(bank, tmp_path, at_random_gaps(1)) as exports:
        for _ in range(200):
            exports.export()
    assert (exports.refused, exports.wrong) == (0, 0)


@pytest.mark.nightly
def test_without_the_seal_at_least_a_fifth_of_two_hundred_exports_are_wrong(bank: Database, tmp_path: Path) -> None:
    with sliced_bank(bank, tmp_path, at_random_gaps(2, 0.08), seals=False) as exports:
        for _ in range(200):
            exports.export()
    print(f"{bank.dialect}: without the seal {exports.wrong} of {exports.exports} exports are wrong")
    assert exports.refused == 0
    assert exports.wrong >= exports.exports / 5
