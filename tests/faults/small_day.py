"""A day so small that it is done in a moment, in this process: a hundred purchases, three shards, any database.

Source and target are one database. What the target must hold is said by plain Python.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from exporter.export_day import Surroundings, export_day
from exporter.open_source import open_source
from loader.init import init_target
from loader.load_day import load_day
from loader.verify.day import verify_day
from loader.verify.run import Verification
from processor.assignment import read_assignment
from processor.process_task import process_task
from processor.task import Task
from staging.config.pipeline import Pipeline
from staging.names import DayNames
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.store import Store
from tests.shop.purchases import create_purchases

DAY = date(2026, 11, 14)
NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)
ROWS, USERS, SHARDS = 100, 20, 3
SCHEMA = pl.Schema({"user_id": pl.Int64(), "revenue": pl.Decimal(28, 2), "purchases": pl.Int64()})
_FIRST = datetime(2026, 11, 13, 23, tzinfo=UTC)  # midnight in Berlin

Revenue = tuple[tuple[int, Decimal, int], ...]


def cents_of(row: int, version: int) -> int:
    """What a purchase costs; each version of the shop has other amounts in some rows."""
    return (row * 7919) % 90_000 + 1 + (version * 13 if row % 3 == 0 else 0)


def revenue_of(version: int) -> Revenue:
    """Return the day's revenue by plain Python."""
    found: dict[int, list[int]] = defaultdict(list)
    for row in range(ROWS):
        found[row % USERS].append(cents_of(row, version))
    return tuple((user, Decimal(sum(cents)) / 100, len(cents)) for user, cents in sorted(found.items()))


@dataclass(frozen=True, slots=True)
class SmallShop:
    """The table `purchases` and the target `revenue` in the database at `url`."""

    url: str

    @property
    def dialect(self) -> str:
        """`sqlite`, `postgresql`, `mariadb` or `mysql`."""
        return sa.make_url(self.url).get_backend_name()

    def fill(self, version: int = 0) -> None:
        """Make the table, and the target and its ledger without a row."""
        rows = [
            (row, row % USERS, _FIRST + timedelta(seconds=row * 600), Decimal(cents_of(row, version)) / 100)
            for row in range(ROWS)
        ]
        has_zone = self.dialect not in ("mariadb", "mysql")
        create_purchases(self.url, rows, columns=None if has_zone else {"purchased_at": "datetime(6) NOT NULL"})

    def change(self, version: int) -> None:
        """Give the rows the amounts of another version."""
        cases = " ".join(f"WHEN {row} THEN {Decimal(cents_of(row, version)) / 100}" for row in range(ROWS))
        self.do(f"UPDATE purchases SET amount = CASE id {cases} END")

    def revenue(self) -> Revenue:
        """Return what the target has of the day."""
        found = self.do(f"SELECT user_id, revenue, purchases FROM revenue WHERE day = '{DAY}' ORDER BY user_id")
        return tuple((int(user), Decimal(str(money)).quantize(Decimal("0.01")), int(n)) for user, money, n in found)

    def do(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements, each committed; return the rows of the last."""
        if self.dialect == "sqlite":
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as opened, opened:
                return [opened.execute(statement).fetchall() for statement in statements][-1]
        engine = sa.create_engine(self.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        found: list[tuple[Any, ...]] = []
        with closing(engine.connect()) as connection:
            for statement in statements:
                result = connection.exec_driver_sql(statement)
                found = [tuple(row) for row in result] if result.returns_rows else []
        return found


def small_pipeline(shop: SmallShop, staging: str, *, read: str = "auto") -> Pipeline:
    """Return its pipeline, as a pipeline file would say it."""
    return Pipeline.model_validate(
        {
            "name": "daily_revenue",
            "source": {
                "url": shop.url,
                "table": "purchases",
                "key": "user_id",
                "time": "purchased_at",
                "columns": ["amount"],
                "timezone": "Europe/Berlin",
            },
            "staging": {"url": staging},
            "export": {"shards": SHARDS, "read": read},
            "load": {"lock_timeout_seconds": 10, "idle_timeout_seconds": 10},
            "target": {"url": shop.url, "table": "revenue"},
        }
    )


@dataclass(frozen=True, slots=True)
class SmallDay:
    """The jobs on that shop and a store, one call each; they raise what the jobs raise."""

    shop: SmallShop
    pipeline: Pipeline
    store: Store
    scratch: Path
    now: Callable[[], datetime] = lambda: NOW

    def init(self) -> None:
        """Create target and ledger."""
        init_target(self.pipeline, SCHEMA, ("user_id",), apply=True)

    def export(self, run_id: str, *, fresh_export: bool = False) -> None:
        """Run the exporter."""
        around = Surroundings(self.store, lambda url: open_source(url, say=_hush), self.now, Cancel(), Progress())
        export_day(self.pipeline, DAY, run_id, around, fresh_export=fresh_export)

    def process(self, run_id: str, *, index: int = 0, count: int = 1) -> None:
        """Run a task of the processor."""
        names = DayNames(self.pipeline.name, DAY)
        work = read_assignment(self.store, self.pipeline, names, run_id, [])
        self.scratch.mkdir(exist_ok=True)
        process_task(
            self.store,
            work,
            Task(index, count, 0),
            scratch=self.scratch,
            cancel=Cancel(),
            progress=Progress(),
            say=_hush,
        )

    def load(self, run_id: str) -> None:
        """Run the loader."""
        load_day(self.pipeline, DAY, run_id, store=self.store, now=self.now, cancel=Cancel(), say=_hush)

    def verify(self) -> Verification:
        """Verify what is loaded."""
        return verify_day(self.pipeline, DAY, store=self.store, cancel=Cancel(), say=_hush)


def _hush(_: str) -> None:
    pass
