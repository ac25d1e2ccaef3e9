"""`penstock pause` and `unpause` against exports that are under way: real processes, real servers, both stores."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pymysql
import pytest

from staging.documents.pause_switch import PauseSwitch, read_pause_switch
from staging.errors import ExitCode
from staging.names import pause_switch
from staging.open_store import open_store
from staging.process.progress import parse_progress
from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.postgres import PostgresServer
from tests.shop.purchases import create_purchases
from tests.warm import warm_python

pytestmark = pytest.mark.integration

Server = PostgresServer | MysqlFamilyServer
ROWS = 12_000
ROWS_PER_SECOND = 1_500


@pytest.fixture(params=["postgres", "mariadb", pytest.param("mysql", marks=pytest.mark.nightly)])
def shop(request: pytest.FixtureRequest) -> Iterator[tuple[Server, str]]:
    """A database with a day of purchases."""
    server: Server = request.getfixturevalue(f"{request.param}_server")
    name = server.create_database()
    if isinstance(server, PostgresServer):
        made = create_purchases(server.url(name))
        made.execute(
            "INSERT INTO purchases SELECT n, n % 97, timestamptz '2026-11-14 00:00+00' + n * interval '7 seconds', "
            f"n / 100.0 FROM generate_series(1, {ROWS}) n"
        )
        made.execute("ANALYZE purchases")
    else:
        made = create_purchases(server.url(name), columns={"purchased_at": "datetime(6) NOT NULL"})
        made.execute(
            "INSERT INTO purchases SELECT seq, seq % 97, '2026-11-14' + INTERVAL seq * 7 SECOND, seq / 100 "
            f"FROM seq_1_to_{ROWS}"
        )
        made.execute("ANALYZE TABLE purchases")
    yield server, name
    server.drop_database(name)


def write_config(folder: Path, url: str, staging: str, **pacing: object) -> Path:
    """A pipeline that reads in slices, slowly enough to be met on its way."""
    keys = {"gentle": "replica", "max_rows_per_second": ROWS_PER_SECOND} | pacing
    told = "\n".join(f"{key} = {json.dumps(value)}" for key, value in keys.items())
    path = folder / "pipeline.toml"
    path.write_text(
        f"""
name = "daily_revenue"
[source]
url = "{url}"
table = "purchases"
key = "user_id"
time = "purchased_at"
columns = ["amount"]
timezone = "UTC"
[staging]
url = "{staging}"
[export]
read = "slices"
shards = 2
[pacing]
{told}
[target]
url = "sqlite:///target.db"
table = "revenue"
""",
        encoding="utf-8",
    )
    return path


class Exporter:
    """An exporter's process, whose progress a test can follow."""

    def __init__(self, config: Path, log: Path) -> None:
        self._log = log
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [
                    *(warm_python(), "-m", "exporter", "--config", str(config)),
                    *("--day", "2026-11-14", "--run-id", "run-0001"),
                ],
                stdout=stream,
                stderr=stream,
                env=os.environ | {"PENSTOCK_PROGRESS": "1"},
            )

    def notes(self) -> list[str]:
        """All notes so far."""
        return [each.note for each in self._progress()]

    def rows(self) -> int:
        """The newest total."""
        return max((each.rows for each in self._progress()), default=0)

    def text(self) -> str:
        """All it wrote."""
        return self._log.read_text(encoding="utf-8")

    def _progress(self) -> list[Any]:
        return [found for line in self.text().splitlines() if (found := parse_progress(line)) is not None]


@contextmanager
def exporting(config: Path, folder: Path) -> Iterator[Exporter]:
    exporter = Exporter(config, folder / "exporter.log")
    try:
        yield exporter
    finally:
        exporter.process.kill()
        exporter.process.wait()


def penstock(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [warm_python(), "-m", "chain", *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def until(done: Callable[[], object], exporter: Exporter, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert exporter.process.poll() is None, exporter.text()
        assert time.monotonic() < deadline, exporter.text()
        time.sleep(0.1)


def reads_so_far(server: Server, database: str) -> int:
    """How many sessions read slices; of MariaDB and MySQL how many hundred rows were read by an index."""
    with server.connect(database) as connection, connection.cursor() as cursor:
        if isinstance(server, PostgresServer):
            # Not the table's statistics: they come up to ten seconds late, when all may have been read.
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND query LIKE %s",
                (database, 'SELECT "user_id" AS c0%'),
            )
            return int(str(cursor.fetchall()[0][0]))
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Handler_read_next'")
        return int(cursor.fetchall()[0][1]) // 100


def until_it_reads(server: Server, database: str, exporter: Exporter) -> None:
    before = reads_so_far(server, database)
    until(lambda: reads_so_far(server, database) > before, exporter)


def sessions(server: Server, database: str) -> set[str]:
    """What the sessions in the database do: `idle`, `active`, or what none should while reading is paused."""
    with server.connect() as connection, connection.cursor() as cursor:
        if isinstance(server, PostgresServer):
            cursor.execute("SELECT state FROM pg_stat_activity WHERE datname = %s", (database,))
            return {str(state) for (state,) in cursor.fetchall()}
        cursor.execute(
            "SELECT command, (SELECT count(*) FROM information_schema.innodb_trx t "
            "WHERE t.trx_mysql_thread_id = p.id) FROM information_schema.processlist p WHERE db = %s",
            (database,),
        )
        return {
            "idle in transaction" if transactions else ("idle" if command == "Sleep" else "active")
            for command, transactions in cursor.fetchall()
        }


def test_an_export_on_its_way_pauses_with_nothing_open_and_goes_on_to_the_right_rows(
    shop: tuple[Server, str], tmp_path: Path
) -> None:
    server, database = shop
    staging = tmp_path / "staging"
    staging.mkdir()
    config = write_config(tmp_path, server.url(database), f"file://{staging}")
    with exporting(config, tmp_path) as exporter:
        until_it_reads(server, database, exporter)
        paused = penstock("pause", "--config", str(config), "--reason", "flash sale")
        assert (paused.returncode, paused.stdout.splitlines()[0][:23]) == (0, "daily_revenue is paused")
        until(lambda: any("flash sale" in note for note in exporter.notes()), exporter)
        for _ in range(10):
            # Signals are looked at once a second, by statements of less than a millisecond.
            assert "idle in transaction" not in sessions(server, database)
            until(lambda: sessions(server, database) == {"idle"}, exporter)
            time.sleep(0.1)
        (note,) = {note for note in exporter.notes() if "flash sale" in note}
        assert note.startswith("paused: flash sale, by ")
        told = penstock("status", "--config", str(config), "--day", "2026-11-14")
        assert "daily_revenue is paused by " in told.stderr
        again = penstock("pause", "--config", str(config), "--reason", "another")
        assert again.returncode == 0
        assert "is paused already: paused by" in again.stdout
        assert "flash sale" in again.stdout
        assert penstock("unpause", "--config", str(config)).returncode == 0
        assert exporter.process.wait(60) == 0, exporter.text()
    (found,) = staging.glob("daily_revenue/day=*/export=*/manifest.json")
    manifest = json.loads(found.read_bytes())
    assert manifest["reading"]["mode"] == "slices"
    assert manifest["reading"]["waited_seconds"]["pause_switch"] > 0
    assert manifest["reading"]["waited_seconds"]["max_rows_per_second"] > 0
    tables = [
        pq.read_table(path, partitioning=None) for path in staging.glob("daily_revenue/day=*/export=*/*/*.parquet")
    ]
    assert sum(table.num_rows for table in tables) == manifest["rows"] == ROWS
    cents = sum(int(value * 100) for table in tables for value in table.column("amount").to_pylist())
    assert cents == ROWS * (ROWS + 1) // 2


def test_a_pause_that_is_longer_than_the_server_keeps_idle_sessions_ends_well(
    shop: tuple[Server, str], tmp_path: Path
) -> None:
    server, database = shop
    with server.connect(database) as connection, connection.cursor() as cursor:
        if isinstance(server, PostgresServer):
            cursor.execute(f"ALTER DATABASE {database} SET idle_session_timeout = '2s'")
        else:
            cursor.execute("SET GLOBAL wait_timeout = 2")
    try:
        config = write_config(tmp_path, server.url(database), f"file://{tmp_path}", max_active_sessions=50)
        with exporting(config, tmp_path) as exporter:
            until_it_reads(server, database, exporter)
            assert penstock("pause", "--config", str(config)).returncode == 0
            until(lambda: any(note.startswith("paused: by") for note in exporter.notes()), exporter)
            time.sleep(4)
            assert penstock("unpause", "--config", str(config)).returncode == 0
            assert exporter.process.wait(60) == 0, exporter.text()
    finally:
        if isinstance(server, MysqlFamilyServer):
            server.execute("SET GLOBAL wait_timeout = DEFAULT")
    (found,) = tmp_path.glob("daily_revenue/day=*/export=*/manifest.json")
    manifest = json.loads(found.read_bytes())
    assert manifest["rows"] == ROWS
    assert manifest["source"]["evidence"]["slices_repeated"] == "0"  # no connection was lost


def test_a_paused_export_that_is_asked_to_stop_ends_at_once_and_leaves_nothing_on_the_server(
    shop: tuple[Server, str], tmp_path: Path
) -> None:
    server, database = shop
    config = write_config(tmp_path, server.url(database), f"file://{tmp_path}")
    assert penstock("pause", "--config", str(config)).returncode == 0
    with exporting(config, tmp_path) as exporter:
        until(lambda: any(note.startswith("paused: by") for note in exporter.notes()), exporter)
        until(lambda: sessions(server, database) <= {"idle"}, exporter)
        exporter.process.send_signal(signal.SIGTERM)
        assert exporter.process.wait(10) == ExitCode.UNAVAILABLE
    assert "Stopped on request." in exporter.text()
    assert not list(tmp_path.rglob("*.parquet"))
    deadline = time.monotonic() + 5
    while sessions(server, database):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_pause_that_is_forgotten_ends_the_export_and_says_who_paused(
    shop: tuple[Server, str], tmp_path: Path
) -> None:
    server, database = shop
    config = write_config(tmp_path, server.url(database), f"file://{tmp_path}", max_pause_seconds=1)
    assert penstock("pause", "--config", str(config), "--reason", "lunch").returncode == 0
    with exporting(config, tmp_path) as exporter:
        assert exporter.process.wait(60) == ExitCode.UNAVAILABLE, exporter.text()
    assert "paused: lunch, by " in exporter.text()
    assert "penstock unpause" in exporter.text()


def test_turning_the_switch_is_told_and_nothing_is_written_twice(gcs_bucket: str, tmp_path: Path) -> None:
    config = str(write_config(tmp_path, "sqlite:///shop.db", f"{gcs_bucket}/prefix"))
    assert "is not paused" in penstock("unpause", "--config", config).stdout
    with open_store(f"{gcs_bucket}/prefix") as store:
        assert store.find(pause_switch("daily_revenue")) is None
        first = json.loads(penstock("pause", "--config", config, "--reason", "  stock taking ", "--json").stdout)
        assert (first["paused"], first["changed"], first["reason"]) == (True, True, "stock taking")
        generation = store.find(pause_switch("daily_revenue"))
        second = json.loads(penstock("pause", "--config", config, "--reason", "other", "--json").stdout)
        assert second == first | {"changed": False}
        assert store.find(pause_switch("daily_revenue")) == generation
        third = json.loads(penstock("unpause", "--config", config, "--json").stdout)
        assert (third["paused"], third["changed"]) == (False, True)
        assert json.loads(penstock("unpause", "--config", config, "--json").stdout)["changed"] is False
        found: PauseSwitch | None = read_pause_switch(store, "daily_revenue")
        assert found is not None
        assert not found.paused


def test_critical_load_gives_up_an_export_that_has_begun(shop: tuple[Server, str], tmp_path: Path) -> None:
    server, database = shop
    # It would read for 40 seconds, and looks once a second at what others do.
    keys = {"max_rows_per_second": ROWS // 40, "critical_active_sessions": 2}
    config = write_config(tmp_path, server.url(database), f"file://{tmp_path}", **keys)
    with idle_sessions(server, 2) as begin_to_work, exporting(config, tmp_path) as exporter:
        until_it_reads(server, database, exporter)
        begin_to_work()
        assert exporter.process.wait(60) == ExitCode.UNAVAILABLE, exporter.text()
    assert "the source is overloaded" in exporter.text()
    assert not list(tmp_path.rglob("manifest.json"))


@contextmanager
def idle_sessions(server: Server, count: int) -> Iterator[Callable[[], None]]:
    """Open sessions that do nothing; what is yielded lets all of them work, until the block ends."""
    sleeping = "SELECT pg_sleep(600)" if isinstance(server, PostgresServer) else "SELECT SLEEP(600)"
    with ExitStack() as stack, ThreadPoolExecutor(count) as workers:
        cursors = [stack.enter_context(server.connect()).cursor() for _ in range(count)]

        def work(cursor: Any) -> None:
            with suppress(psycopg.Error, pymysql.Error):  # it is ended
                cursor.execute(sleeping)

        def begin() -> None:
            for cursor in cursors:
                workers.submit(work, cursor)

        try:
            yield begin
        finally:
            _end_sleepers(server)


def _end_sleepers(server: Server) -> None:
    with server.connect() as connection, connection.cursor() as cursor:
        if isinstance(server, PostgresServer):
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")
            return
        cursor.execute("SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'")
        for (number,) in cursor.fetchall():
            try:
                cursor.execute(f"KILL {number}")
            except pymysql.err.OperationalError:
                continue  # it has just ended
