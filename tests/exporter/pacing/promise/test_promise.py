"""The promise on real servers: measured, held, told when not; whatever becomes of the prober, the rows are exact."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from staging.config.pacing import PacingConfig
from staging.config.pipeline import Pipeline
from staging.errors import InputError, InterruptedRunError
from staging.process.cancel import Cancel
from tests.exporter.days import Export, pipeline, run_export
from tests.exporter.sliced_reads import Watched
from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.postgres import PostgresServer
from tests.servers.server import PASSWORD
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

Server = PostgresServer | MysqlFamilyServer
ROWS = 24_000
SLICE_SECONDS = 0.02
"""What each slice is said to have taken: the rests after it are long enough for probes."""


@dataclass(frozen=True)
class Shop:
    """A day of purchases, and a statement of the shop's that takes 60 ms for as long as the table `pressure` says."""

    server: Server
    url: str
    database: Database

    @property
    def is_postgres(self) -> bool:
        return isinstance(self.server, PostgresServer)

    def feel(self, seconds: float) -> None:
        until = "clock_timestamp()" if self.is_postgres else "UTC_TIMESTAMP(6)"
        unit = f"interval '{seconds} seconds'" if self.is_postgres else f"INTERVAL {int(seconds * 1e6)} MICROSECOND"
        self.database.execute(f"UPDATE pressure SET until = {until} + {unit}")

    @property
    def probe(self) -> str:
        if self.is_postgres:
            return "SELECT pg_sleep(CASE WHEN until > clock_timestamp() THEN 0.06 ELSE 0.001 END) FROM pressure"
        return "SELECT SLEEP(IF(until > UTC_TIMESTAMP(6), 0.06, 0.001)) FROM pressure"

    @property
    def steady_probe(self) -> str:
        return "SELECT pg_sleep(0.004)" if self.is_postgres else "SELECT SLEEP(0.004)"

    def probers(self) -> list[int]:
        """Which sessions run the probe: on MySQL and MariaDB those that are seen to."""
        if self.is_postgres:
            return self.sessions("penstock-probe")
        with self.server.connect() as watching, watching.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(%'")
            return [row[0] for row in cursor.fetchall()]

    def kill_prober(self) -> int:
        """End its session, and return which it was."""
        found: list[int] = []

        def is_seen() -> bool:
            found.extend(self.probers())
            return bool(found)

        until(is_seen)
        number = found[0]
        words = "SELECT pg_terminate_backend(%s)"
        if not isinstance(self.server, PostgresServer):
            words = f"{self.server.kill_connection} %s"
        with self.server.connect() as killer, killer.cursor() as cursor:
            cursor.execute(words, (number,))
        return number

    def sessions(self, name: str = "penstock") -> list[int]:
        """Which sessions of ours there are."""
        if self.is_postgres:
            sql = f"SELECT pid FROM pg_stat_activity WHERE application_name LIKE '{name}%'"
        else:
            sql = f"SELECT id FROM information_schema.processlist WHERE db = '{self.url.rpartition('/')[2]}'"
        with self.server.connect() as watching, watching.cursor() as cursor:
            cursor.execute(sql)
            return [row[0] for row in cursor.fetchall()]


@pytest.fixture(params=["postgres", "mariadb", "mysql"])
def shop(request: pytest.FixtureRequest) -> Shop:
    return open_shop(
        request.getfixturevalue(f"{request.param}_server"), request.getfixturevalue(f"{request.param}_database")
    )


@pytest.fixture
def postgres_shop(postgres_server: PostgresServer, postgres_database: str) -> Shop:
    return open_shop(postgres_server, postgres_database)


def open_shop(server: Server, url: str) -> Shop:
    database = Database(url)
    rows = [
        (n, n % 97, f"2026-11-14 {n % 20:02}:{n % 60:02}:{n % 59:02}.000000", f"{n % 1000}.25") for n in range(ROWS)
    ]
    create_purchases(database, rows, columns={"purchased_at": "timestamp NOT NULL"})
    stamp = "timestamptz" if isinstance(server, PostgresServer) else "datetime(6)"
    database.execute(f"CREATE TABLE pressure (until {stamp} NOT NULL)")
    database.execute("INSERT INTO pressure VALUES ('2000-01-01 00:00:00')")
    return Shop(server, database.url, database)


def settings(shop: Shop, folder: Path, *, read: str = "slices", **pacing: Any) -> Pipeline:
    made = pipeline(shop.url, folder, export={"read": read, "shards": 3}, column_timezone="UTC")
    return made.model_copy(update={"pacing": PacingConfig(gentle="replica", **pacing)})


class Beside(Watched):
    """Slices that take long by what they say, with `work` after each: it is given how long was rested before.

    Until `enough`: then they are read to the end in no time.
    """

    def __init__(
        self, work: Callable[[float], object], enough: Callable[[], bool], *, seconds: float = SLICE_SECONDS
    ) -> None:
        self.work, self.enough, self.seconds = work, enough, seconds

    def watch(self, slices: Any) -> Any:
        read_slice, ended = slices.read_slice, float("-inf")

        def read_one(low: int, high: int) -> Any:
            nonlocal ended
            rested = time.monotonic() - ended
            found = read_slice(low, high)
            self.work(rested)
            ended = time.monotonic()
            return replace(found, seconds=0.0001 if self.enough() else self.seconds)

        slices.read_slice = read_one
        return slices


class Said:
    """What was said on stderr so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._text = ""

    def count(self, text: str) -> int:
        self._text += self._capsys.readouterr().err
        return self._text.count(text)


def check_rows(export: Export) -> None:
    expected: defaultdict[int, Decimal] = defaultdict(Decimal)
    for n in range(ROWS):
        expected[n % 97] += Decimal(f"{n % 1000}.25")
    assert export.totals() == expected


def probed(export: Export) -> dict[str, Any]:
    found: dict[str, Any] = export.manifest["reading"]["probed"]
    return found


def nices(export: Export) -> list[float]:
    return [each["nice"] for each in probed(export)["windows"] if each["kind"] == "reading"]


def test_a_shop_that_minds_is_read_more_gently_until_it_does_not(shop: Shop, tmp_path: Path) -> None:
    gentle = 0

    def work(rested: float) -> None:
        nonlocal gentle
        gentle += rested >= 10 * SLICE_SECONDS
        if rested < 10 * SLICE_SECONDS:
            shop.feel(0.5)

    made = settings(shop, tmp_path, latency_probe=shop.probe, max_p99_increase=2, nice=3)
    export = run_export(made, opener=Beside(work, lambda: gentle > 20))
    check_rows(export)
    assert nices(export)[0] == 3
    assert probed(export)["longest_nice"] > 10
    assert export.manifest["reading"]["waited_seconds"]["max_p99_increase"] > 0
    assert {"resting", "reading"} <= {each["kind"] for each in probed(export)["windows"]}


def test_a_shop_that_does_not_mind_is_read_as_configured(shop: Shop, tmp_path: Path) -> None:
    slices = itertools.count()
    made = settings(shop, tmp_path, latency_probe=shop.steady_probe, max_p99_increase=100, nice=3)
    export = run_export(made, opener=Beside(lambda _: None, lambda: next(slices) > 40))
    check_rows(export)
    assert set(nices(export)) == {3}
    assert probed(export)["longest_nice"] == 3
    assert "max_p99_increase" not in export.manifest["reading"]["waited_seconds"]
    assert export.manifest["reading"]["waited_seconds"]["latency_probe"] > 0


def test_a_promise_that_can_not_be_held_is_told_and_the_day_is_read(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said, told = Said(capsys), "pacing.max_p99_increase can't be held"
    made = settings(shop, tmp_path, latency_probe=shop.probe, max_p99_increase=2, nice=60)
    slow = Beside(lambda _: shop.feel(0.45), lambda: said.count(told) > 0, seconds=0.004)
    export = run_export(made, opener=slow)
    check_rows(export)
    assert said.count(told) == 1
    assert probed(export)["longest_nice"] == 100
    assert probed(export)["held"] is False
    assert "could not be" in probed(export)["why_not"]


def test_what_is_only_measured_changes_nothing(shop: Shop, tmp_path: Path) -> None:
    slices = itertools.count()
    made = settings(shop, tmp_path, latency_probe=shop.probe, nice=3)
    export = run_export(made, opener=Beside(lambda _: shop.feel(0.2), lambda: next(slices) > 40))
    check_rows(export)
    assert set(nices(export)) == {3}
    found = probed(export)
    assert (found["promised"], found["held"]) == (None, None)
    resting, beside = found["resting_p99_milliseconds"], found["beside_p99_milliseconds"]
    assert beside >= 60  # at rest it is as long as this machine has it
    assert found["increase"] == pytest.approx(beside / resting, rel=0.01)


def test_a_probe_whose_connection_is_lost_gets_another_one(shop: Shop, tmp_path: Path) -> None:
    before: set[int] = set()
    after: set[int] = set()
    slices = itertools.count()

    def work(_: float) -> None:
        if next(slices) == 5:
            before.update(shop.sessions())
            assert shop.kill_prober() in before
        elif before:
            after.update(set(shop.sessions()) - before)

    made = settings(shop, tmp_path, latency_probe=shop.steady_probe, max_p99_increase=100, nice=3)
    export = run_export(made, opener=Beside(work, lambda: bool(after)))
    check_rows(export)
    assert len(after) == 1


@pytest.mark.parametrize("at", ["before reading", "in a slice"])
def test_a_request_to_stop_ends_the_prober_at_once(shop: Shop, tmp_path: Path, at: str) -> None:
    cancel, slices = Cancel(), itertools.count()

    def work(_: float) -> None:
        shop.feel(3)
        if next(slices) == 5:
            cancel.set()

    if at == "before reading":
        threading.Timer(1.0, cancel.set).start()
    probe = shop.probe.replace("0.06", "0.9")
    made = settings(shop, tmp_path, latency_probe=probe, max_p99_increase=2, nice=3)
    with pytest.raises(InterruptedRunError):
        run_export(made, opener=Beside(work, lambda: False), cancel=cancel)
    assert "latency-probe" not in {thread.name for thread in threading.enumerate()}
    until(lambda: not shop.sessions())


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("SELECT 1 FROM no_such_table", "no_such_table"),
        ("SELECT 1 FROM WHERE", "syntax"),
        ("SELECT id FROM purchases", "more than 1000 rows"),
        ("SELECT pg_sleep(0.2)", "takes 2[0-9]{2} ms, more than 100 ms"),
        ("SELECT pg_sleep(5)", "more than 100 ms"),
    ],
)
def test_a_statement_that_can_not_be_a_probe_is_refused_before_a_row_is_read(
    shop: Shop, tmp_path: Path, statement: str, told: str
) -> None:
    if not shop.is_postgres:
        statement = statement.replace("pg_sleep", "SLEEP")
    refused(settings(shop, tmp_path, latency_probe=statement, max_p99_increase=2), told)


@pytest.mark.parametrize(
    "statement",
    ["WITH gone AS (DELETE FROM pressure RETURNING 1) SELECT 1 FROM gone", "SELECT until FROM pressure FOR UPDATE"],
)
def test_a_statement_that_writes_is_refused(postgres_shop: Shop, tmp_path: Path, statement: str) -> None:
    refused(settings(postgres_shop, tmp_path, latency_probe=statement), "top level|read-only")
    assert postgres_shop.database.execute("SELECT COUNT(*) FROM pressure") == [(1,)]


def test_a_right_that_is_missing_is_told(shop: Shop, tmp_path: Path) -> None:
    name, admin = shop.url.rpartition("/")[2], Database(shop.server.url())
    if shop.is_postgres:
        admin.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
        shop.database.execute("GRANT SELECT ON purchases TO reader")
    else:
        admin.execute(f"CREATE USER reader@'%' IDENTIFIED BY '{PASSWORD}'")
        admin.execute(f"GRANT SELECT ON {name}.purchases TO reader@'%'")
    try:
        made = settings(replace(shop, url=shop.server.url(name, user="reader")), tmp_path, latency_probe=shop.probe)
        refused(made, "denied")
    finally:
        if shop.is_postgres:
            shop.database.execute("DROP OWNED BY reader")
        admin.execute("DROP ROLE reader" if shop.is_postgres else "DROP USER reader")


def refused(made: Pipeline, told: str) -> None:
    with pytest.raises(InputError, match=r"can't read pacing\.latency_probe") as caught:
        run_export(made, opener=Beside(lambda _: pytest.fail("a row was read"), lambda: True))
    assert re.search(told, caught.value.why), caught.value.why
    assert "pacing.probe" not in str(caught.value)


def test_a_snapshot_is_measured_and_never_called_held_unless_it_was(shop: Shop, tmp_path: Path) -> None:
    made = settings(shop, tmp_path, read="auto", latency_probe=shop.steady_probe, max_p99_increase=2)
    export = run_export(made)
    check_rows(export)
    assert export.manifest["reading"]["mode"] == "snapshot"
    assert {each["kind"] for each in probed(export)["windows"]} <= {"resting", "snapshot"}
    assert probed(export)["held"] is False
    assert "could not be" in probed(export)["why_not"]


def until(done: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)
