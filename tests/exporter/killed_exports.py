"""Days whose exporter dies at a moment seen from outside, on a shop of a real server, and that are brought to done."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from chain.gc.collect import clean_up
from staging.errors import ExitCode
from staging.names import parse_name
from staging.open_store import open_store
from staging.process.cancel import Cancel
from tests.chain.chain_days import DemoDay, wait_until
from tests.shop.mysql_words import in_words_of
from tests.shop.purchases import create_purchases

ROWS, USERS, SHARDS = 120_000, 300, 3
SHORT = ("--set", "chain.lease_seconds=2")
_MICROSECONDS_APART = 90_000_000_000 // ROWS  # the day has 25 hours
_FIRST = "2026-10-24 22:00:00"
_ORPHAN_SECONDS = 5.0

_FILL = {
    "postgresql": f"""
INSERT INTO purchases
SELECT n, mod(n, {USERS}), timestamptz '{_FIRST}+00' + n * interval '{_MICROSECONDS_APART} microseconds', n / 100.0
FROM generate_series(0, {ROWS - 1}) n;
CREATE INDEX ON purchases (purchased_at);
ANALYZE purchases""",
    "mariadb": f"""
INSERT INTO purchases
SELECT seq, MOD(seq, {USERS}), TIMESTAMP '{_FIRST}' + INTERVAL seq * {_MICROSECONDS_APART} MICROSECOND, seq / 100
FROM seq_0_to_{ROWS - 1};
CREATE INDEX purchases_time ON purchases (purchased_at);
ANALYZE TABLE purchases""",
}
_FILL["mysql"] = in_words_of("mysql", _FILL["mariadb"])
_STATEMENTS = {
    "postgresql": "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mariadb": "SELECT COALESCE(info, '') FROM information_schema.processlist "
    "WHERE db = DATABASE() AND id <> CONNECTION_ID()",
}
_STATEMENTS["mysql"] = _STATEMENTS["mariadb"]
_SEAL = {"postgresql": "age(xmin)", "mariadb": "COUNT(IF(", "mysql": "COUNT(IF("}


class ServerShop:
    """A table `purchases` of a day on a real server, and what goes on there. Closed by `close`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._dialect = sa.make_url(url).get_backend_name()
        self._engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", pool_size=1)
        columns = None if self._dialect == "postgresql" else {"purchased_at": "datetime(6) NOT NULL"}
        create_purchases(url, columns=columns, index=False)
        with self._engine.connect() as connection:
            for statement in _FILL[self._dialect].split(";"):
                connection.exec_driver_sql(statement)

    def close(self) -> None:
        """Let go of the server."""
        self._engine.dispose()

    def statements(self) -> list[str]:
        """What every other session of the database runs, or ran last."""
        with self._engine.connect() as connection:
            return [text for (text,) in connection.exec_driver_sql(_STATEMENTS[self._dialect]).all()]

    def is_sealing(self) -> bool:
        """Whether a read in slices is being sealed."""
        return any(_SEAL[self._dialect] in text for text in self.statements())

    def wait_until_nobody_is_left(self) -> None:
        """AssertionError when a session of ours outlives its process by more than five seconds."""
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while (left := self.statements()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert left == [], "a session of ours lives on"

    def revenue(self) -> list[tuple[int, Decimal, int]]:
        """The day's, in plain Python."""
        return [
            (user, Decimal(sum(range(user, ROWS, USERS))) / 100, len(range(user, ROWS, USERS))) for user in range(USERS)
        ]


class ServerDay(DemoDay):
    """A day of that shop, read as `read` says into a folder, processed, loaded into an SQLite file."""

    def __init__(self, shop: ServerShop, folder: Path, read: str) -> None:
        super().__init__(folder)
        self.shop = shop
        self.staging.mkdir()
        self.config.write_text(
            'name = "daily_revenue"\n[source]\nurl = "env:SHOP_URL"\ntable = "purchases"\nkey = "user_id"\n'
            'time = "purchased_at"\ncolumns = ["amount"]\ntimezone = "Europe/Berlin"\n'
            f'[staging]\nurl = "{self.staging.as_uri()}"\n[export]\nread = "{read}"\nshards = {SHARDS}\n'
            f'[pacing]\ngentle = "replica"\nnice = 2\n[target]\nurl = "sqlite:///{self.database}"\ntable = "revenue"\n',
            encoding="utf-8",
        )
        ended = self.penstock("init", SHOP_URL=shop.url)
        assert ended.returncode == 0, ended.stderr

    def is_right(self) -> bool:
        """Whether the target has the day's revenue, to the cent."""
        found = [(user, Decimal(str(money)).quantize(Decimal("0.01")), count) for user, money, count in self.total()]
        return found == self.shop.revenue()

    def has(self, name: str, count: int = 1) -> bool:
        """Whether so many objects of that name, or pattern, are there."""
        return len([path for path in self.staging.rglob(name) if ".penstock" not in path.parts]) >= count

    def is_connected(self) -> bool:
        """Whether somebody of this day has a session at the server."""
        return bool(self.shop.statements())

    def hidden(self) -> list[str]:
        """Files of objects that do not exist yet."""
        return [path.name for path in (self.staging / ".penstock" / "temporary").glob("*")]

    def sweep_garbage(self) -> list[str]:
        """Let `gc` take all it knows of, however young; return the kinds of what it leaves, and hidden files."""
        with open_store(self.staging.as_uri()) as store:
            list(clean_up(store, "daily_revenue", Cancel(), timedelta(0), store.now(), delete=True))
        kinds = sorted(parsed.kind if (parsed := parse_name(name)) else name for name in self.objects())
        return [
            kind for kind in kinds if kind != "reloaded"
        ] + self.hidden()  # a day that was done is given to the loader again


@dataclass(frozen=True, slots=True)
class Moment:
    """When somebody dies: up to so many seconds after this is seen."""

    name: str
    is_there: Callable[[ServerDay], bool]
    most_seconds: float


def moments(read: str) -> list[Moment]:
    """Give the life of an exporter, from its process's start to the last object it writes."""
    lasts_seconds = 1.0 if read == "slices" else 0.5
    reads = [
        Moment("it starts", lambda _: True, 1.2),
        Moment("it connects", ServerDay.is_connected, 0.3),
        Moment("it reads", ServerDay.is_connected, lasts_seconds),
        Moment("it reads on", ServerDay.is_connected, lasts_seconds),
        Moment("it writes", lambda day: len(day.hidden()) >= SHARDS, 0.02),
    ]
    seal = [Moment("it seals", lambda day: day.shop.is_sealing(), 0.05)] if read == "slices" else []
    commits = [
        Moment(f"{count} of {SHARDS} shards exist", partial(ServerDay.has, name="*.parquet", count=count), 0.005)
        for count in range(1, SHARDS + 1)
    ]
    ends = [
        Moment("the export exists", lambda day: day.has("manifest.json"), 0.01),
        Moment("the run has its export", lambda day: day.has("export.json"), 0.05),
    ]
    return [*reads, *seal, *commits, *ends]


def kill_and_resume(day: ServerDay, read: str, seed: int) -> None:
    """Kill exporter, chain or both at the moment of this seed, and bring the day to done."""
    known, chance = moments(read), random.Random(f"{read} {seed}")
    moment, victims = known[seed % len(known)], chance.choice(["both", "both", "exporter", "chain"])
    with day.start("run", *SHORT, SHOP_URL=day.shop.url) as chain:
        exporters = _wait_for_exporter(day, chain)
        wait_until(
            lambda: moment.is_there(day) or day.has("export.json") or chain.poll() is not None, every_seconds=0.001
        )
        time.sleep(chance.uniform(0, moment.most_seconds))
        _kill(chain, exporters, victims)
        print(f"\n{read} {seed}: {victims} killed when {moment.name}: {day.kinds()}, {len(day.hidden())} hidden")
        told = chain.communicate()[1]
    wait_until(lambda: not day.job_pids())  # none outlives its chain
    day.shop.wait_until_nobody_is_left()
    assert chain.returncode == 0 or victims != "exporter", told  # the chain has it tried again
    assert day.revenue() == [] or day.is_right()
    before = day.progress()
    ended = _resume(day)
    assert ended.returncode == 0, ended.stderr
    day.shop.wait_until_nobody_is_left()
    assert day.is_right()
    assert before.documents.items() <= day.progress().documents.items()
    assert day.executions("exporter", "resumed") <= (0 if before.has_export else 1)
    assert day.sql("SELECT run_id, fence FROM penstock_ledger") == [(day.run_ids()[-1], day.head()["fence"])]
    assert len(day.run_ids()) == 1
    left, each = day.sweep_garbage(), [kind for kind in ("part", "receipt", "shard") for _ in range(SHARDS)]
    # Each execution that ended left its timeline; a killed one has none.
    documents = [kind for kind in left if kind != "timeline"]
    assert documents == sorted(["head", "run", "manifest", "export", "loaded", *each]), left
    assert day.is_right()


def _wait_for_exporter(day: ServerDay, chain: subprocess.Popen[str]) -> list[int]:
    """Return its process as soon as there is one: to look for it later would take longer than it writes a shard."""
    found: list[int] = []

    def is_seen() -> bool:
        found.extend(day.job_pids())
        return bool(found) or chain.poll() is not None

    wait_until(is_seen, every_seconds=0.01)
    return found


def _kill(chain: subprocess.Popen[str], exporters: list[int], victims: str) -> None:
    if victims in ("both", "exporter"):
        for pid in exporters:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    if victims in ("both", "chain"):
        chain.kill()


def _resume(day: ServerDay) -> subprocess.CompletedProcess[str]:
    logs = ("--logs", str(day.folder / "resumed"))
    command = "resume"
    while True:
        ended = day.penstock(command, "--json", *SHORT, *logs, SHOP_URL=day.shop.url)
        if ended.returncode == ExitCode.INPUT and "There is no run" in ended.stderr:
            command = "run"
        elif ended.returncode != ExitCode.HELD:
            return ended


def server_shop(create: Callable[[], str], drop: Callable[[str], None], url: Callable[[str], str]) -> Iterator[Any]:
    """A shop in a database of its own, as a fixture gives it."""
    name = create()
    with closing(ServerShop(url(name))) as shop:
        yield shop
    drop(name)
