"""What tests of many days share: a small shop of ten days on SQLite, a folder as bucket, commands as processes."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from chain.demo.pipeline import write_demo_pipeline
from chain.demo.rows import Shop
from chain.demo.shop import fill_shop
from tests.warm import warm_python

SHORT_LEASE = ("--set", "chain.lease_seconds=10")
"""For a chain that is going to be killed; others have the default, as a busy machine may forget them for a while."""

# Each attempt leaves a line, waits for a file where the test wants it to, dies of another one, and fails on days that
# `faults` names.
TRANSFORM = """\
import os, time
from pathlib import Path
from processor.revenue import apply, contract
from processor.transform import Transform

def watched(rows, day):
    if "CLOUD_RUN_TASK_INDEX" not in os.environ: return apply(rows, day)  # planned before the day is read
    today = day.day.isoformat()
    with open(HERE / "attempts", "a") as attempts: attempts.write(today + "\\n")
    while (HERE / ("wait-" + today)).exists(): time.sleep(0.05)
    if (HERE / ("dies-" + today)).exists(): os.kill(os.getpid(), 9)  # as the kernel does without memory
    if today in (HERE / "faults").read_text(): raise RuntimeError("Row 7 is odd.")
    return apply(rows, day)

HERE = Path(__file__).parent
chosen = Transform(contract=contract, apply=watched)
"""


class SmallRange:
    """A shop of its own, and the commands run on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "daily_revenue.toml"
        self.database = folder / "shop.db"
        self.staging = folder / "staging"
        self._processes: list[subprocess.Popen[str]] = []

    def make(self, shop: Path) -> None:
        """Copy the shop, write the pipeline file, create the tables."""
        self.database.write_bytes(shop.read_bytes())
        self.staging.mkdir()
        write_demo_pipeline(self.config, url=f"sqlite:///{self.database}", staging=self.staging.as_uri(), shards=1)
        more = '[process]\ntransform = "own_transform:chosen"\nmax_retries = 0\n'
        self.config.write_text(self.config.read_text() + more)
        (self.folder / "own_transform.py").write_text(TRANSFORM)
        (self.folder / "faults").write_text("")
        (self.folder / "attempts").write_text("")
        ended = self.penstock("init")
        assert ended.returncode == 0, ended.stderr

    def command(self, name: str, *arguments: str, python: str = sys.executable) -> list[str]:
        return [python, "-m", "chain", name, "--config", str(self.config), *arguments]

    def environment(self) -> dict[str, str]:
        return dict(os.environ) | {"PENSTOCK_LOGS": str(self.folder / "logs"), "COLUMNS": "80"}

    def penstock(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(name, *arguments, python=warm_python()),
            capture_output=True,
            text=True,
            env=self.environment(),
            check=False,
        )

    def backfill(self, first: str, last: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.penstock("backfill", "--from", first, "--to", last, *arguments)

    def outcomes(self, first: str, last: str, *arguments: str, code: int = 0) -> dict[str, str]:
        """How each day ended, by the JSON of a back-fill."""
        ended = self.backfill(first, last, "--json", *arguments)
        assert ended.returncode == code, ended.stderr
        return {day["day"]: day["outcome"] for day in json.loads(ended.stdout)["days"]}

    def begin(self, name: str, *arguments: str, python: str | None = None) -> subprocess.Popen[str]:
        """Begin a command; it and its jobs start warm, so it has another number, or by the Python that is named."""
        process = subprocess.Popen(
            self.command(name, *arguments, python=python or warm_python()),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._processes.append(process)
        return process

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()

    def status(self, *arguments: str) -> dict[str, dict[str, Any]]:
        ended = self.penstock("status", "--json", *arguments)
        assert ended.returncode == 0, ended.stderr
        return {day["day"]: day for day in json.loads(ended.stdout)}

    def executions(self, job: str) -> set[str]:
        """Names of the job's executions that left a log."""
        return {path.parent.name for path in (self.folder / "logs").rglob("task0-attempt0.log") if job in path.parts}

    @contextmanager
    def waiting(self, day: str) -> Iterator[None]:
        """Let the day's tasks wait as long as the block lasts."""
        path = self.folder / f"wait-{day}"
        path.touch()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)

    def faults(self, *days: str) -> None:
        (self.folder / "faults").write_text(" ".join(days))

    def attempts(self) -> dict[str, int]:
        """How often each day was worked on so far; one task asks its transform more than once."""
        counted: dict[str, int] = defaultdict(int)
        for day in (self.folder / "attempts").read_text().split():
            counted[day] += 1
        return dict(counted)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            return connection.execute(statement).fetchall()

    def sell(self, day: str, amount: str = "12.34", user: int = 7) -> None:
        """Add a purchase at noon of the day."""
        self.sql(
            f"INSERT INTO purchases SELECT max(purchase_id) + 1, {user}, {amount}, 'paid', '{day} 12:00:00.000000' "
            "FROM purchases"
        )

    def revenue(self, day: str) -> dict[int, Decimal]:
        rows = self.sql(f"SELECT user_id, CAST(revenue AS TEXT) FROM revenue WHERE day = '{day}'")
        return {user: Decimal(total) for user, total in rows}

    def expected(self, day: str) -> dict[int, Decimal]:
        """What the day's revenue must be: plain Python over the shop's rows."""
        totals: dict[int, Decimal] = defaultdict(Decimal)
        statement = (
            "SELECT user_id, purchased_at, CAST(amount AS TEXT) FROM purchases WHERE status IN ('paid', 'refunded')"
        )
        for user, at, amount in self.sql(statement):
            instant = datetime.fromisoformat(at).replace(tzinfo=UTC)
            if instant.astimezone(ZoneInfo("Europe/Berlin")).date().isoformat() == day:
                totals[user] += Decimal(amount)
        return dict(totals)

    def assert_right(self, *days: str) -> None:
        for day in days:
            found, expected = self.revenue(day), self.expected(day)
            assert found, day
            assert found == expected, day


def fill_small_shop(folder: Path) -> Path:
    """Make a shop of 1,500 purchases from 2026-10-20 to 2026-10-29; return its database."""
    fill_shop(f"sqlite:///{folder}/shop.db", Shop(1, 40, 1500), replace=False, say=lambda _: None)
    return folder / "shop.db"
