"""However an export ends before its end, nothing that it wrote counts: no shard, no manifest, no run's export."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from exporter.open_source import open_source
from exporter.port.database import Source
from exporter.port.source import Estimate, Statement, TableName
from staging.errors import ExitCode, InputError, InterruptedRunError, UnavailableError
from staging.process.cancel import Cancel
from staging.store import ObjectInfo, ObjectWriter, Store
from tests.exporter.days import committed, pipeline, run_export
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database
from tests.warm import warm_python

pytestmark = pytest.mark.integration

ROWS = 4000


class PlannedFailureError(Exception):
    """The one a test raises, to be found again."""


def _shop(url: str, rows: int = ROWS) -> None:
    columns = {"id": None, "purchased_at": "timestamp NOT NULL", "amount": "decimal(10,2) NOT NULL"}
    made = [(n, f"2026-11-14 12:{n % 60:02}:00", "1.10") for n in range(rows)]
    create_purchases(url, made, columns=columns, index=False)


@dataclass
class _FailingReads:
    """A source whose read raises at the batch of this number, from 0."""

    at: int
    batch_rows: int = 500

    @contextmanager
    def __call__(self, url: str) -> Iterator[Source]:
        with open_source(url) as source:
            begin = source.begin_snapshot

            def begin_snapshot(*args: Any, **options: Any) -> Any:
                snapshot = begin(*args, **options)
                read = snapshot.read

                def failing(statement: Statement, estimate: Estimate) -> Iterator[pl.DataFrame]:
                    batches = (
                        batch.slice(i, self.batch_rows)
                        for batch in read(statement, estimate)
                        for i in range(0, batch.height, self.batch_rows)
                    )
                    for number, batch in enumerate(batches):
                        if number == self.at:
                            raise PlannedFailureError(number)
                        yield batch
                    if self.at < 0:
                        raise PlannedFailureError(self.at)

                snapshot.read = failing  # type: ignore[method-assign] # the fault that is played
                return snapshot

            source.begin_snapshot = begin_snapshot  # type: ignore[method-assign] # the fault that is played
            yield source


@pytest.mark.parametrize("at", [*range(ROWS // 500), -1])
def test_a_read_that_fails_at_any_batch_or_at_its_end(sqlite_database: str, tmp_path: Path, at: int) -> None:
    _shop(sqlite_database)
    with pytest.raises(PlannedFailureError):
        run_export(pipeline(sqlite_database, tmp_path / "stage", export={"shards": 4}), opener=_FailingReads(at))
    assert committed(tmp_path / "stage") == []


class _FailingStore:
    """A store whose n-th call of a writer's method raises, counted over all writers."""

    def __init__(self, store: Store, method: str, at: int) -> None:
        self._store, self._method, self._left = store, method, at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def count(self, method: str) -> None:
        if method == self._method:
            self._left -= 1
            if self._left < 0:
                raise PlannedFailureError(method)

    def create(self, name: str, data: bytes) -> ObjectInfo:
        if name.endswith("manifest.json"):
            self.count("manifest")
        return self._store.create(name, data)

    def create_stream(self, name: str) -> ObjectWriter:
        self.count("create_stream")
        return _FailingWriter(self, self._store.create_stream(name))


@dataclass
class _FailingWriter:
    store: _FailingStore
    writer: ObjectWriter

    def write(self, data: bytes | bytearray | memoryview) -> int:
        self.store.count("write")
        return self.writer.write(data)

    def commit(self) -> ObjectInfo:
        self.store.count("commit")
        return self.writer.commit()

    def abort(self) -> None:
        self.writer.abort()


def _calls(url: str, folder: Path) -> dict[str, int]:
    counted: dict[str, int] = {}

    class Counting(_FailingStore):
        def count(self, method: str) -> None:
            counted[method] = counted.get(method, 0) + 1

    run_export(pipeline(url, folder, export={"shards": 3}), wrap_store=lambda store: Counting(store, "", 0))
    return counted


@pytest.mark.fault("storage", step="export")
def test_a_store_that_fails_at_any_call_of_a_writer(sqlite_database: str, tmp_path: Path) -> None:
    _shop(sqlite_database, 300)
    calls = _calls(sqlite_database, tmp_path / "good")
    assert calls["create_stream"] == calls["commit"] == 3
    assert calls["write"] >= 3
    for method in ("create_stream", "write", "manifest"):
        for at in range(calls[method]):
            folder = tmp_path / f"{method}-{at}"
            with pytest.raises(PlannedFailureError):
                run_export(
                    pipeline(sqlite_database, folder, export={"shards": 3}),
                    wrap_store=partial(_FailingStore, method=method, at=at),
                )
            counts = [name for name in committed(folder) if not (method == "manifest" and name.endswith(".parquet"))]
            assert counts == [], (method, at)


def test_a_commit_that_fails_leaves_shards_that_nothing_names(sqlite_database: str, tmp_path: Path) -> None:
    _shop(sqlite_database, 300)
    for at in range(3):
        folder = tmp_path / str(at)
        with pytest.raises(PlannedFailureError):
            run_export(
                pipeline(sqlite_database, folder, export={"shards": 3}),
                wrap_store=partial(_FailingStore, method="commit", at=at),
            )
        assert [name for name in committed(folder) if name.endswith(".json")] == []


def test_a_writer_that_loses_bytes_is_found_out_before_anything_is_committed(
    sqlite_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exporter.shards import tally

    _shop(sqlite_database, 300)
    count = tally.Tally.count
    monkeypatch.setattr(tally.Tally, "count", lambda self, frames: (f.head(f.height - 1) for f in count(self, frames)))
    with pytest.raises(Exception, match="not written as it was read"):
        run_export(pipeline(sqlite_database, tmp_path / "stage", export={"shards": 3}))
    assert committed(tmp_path / "stage") == []


def test_the_cap_ends_a_snapshot_and_the_servers_statement(postgres_database: str, tmp_path: Path) -> None:
    _shop(postgres_database, 10)
    settings = pipeline(
        postgres_database, tmp_path / "stage", export={"max_snapshot_seconds": 1}, where="pg_sleep(30) IS NOT NULL"
    )
    with pytest.raises(InputError, match="max_snapshot_seconds") as caught:
        run_export(settings)
    assert "given up after 1 s" in str(caught.value)
    assert committed(tmp_path / "stage") == []
    assert _busy(Database(postgres_database), "pg_sleep(30)") == 0


def test_the_cap_ends_a_statement_of_mariadb(mysql_family_database: str, tmp_path: Path) -> None:
    _shop(mysql_family_database, 10)
    settings = pipeline(
        mysql_family_database, tmp_path / "stage", export={"max_snapshot_seconds": 1}, where="SLEEP(30) = 0"
    )
    with pytest.raises(InputError, match="max_snapshot_seconds"):
        run_export(settings)
    assert committed(tmp_path / "stage") == []
    assert _busy(Database(mysql_family_database), "SLEEP(30)") == 0


@pytest.mark.fault("locked", step="export")
def test_a_table_that_is_being_altered_is_not_waited_for(postgres_database: str, tmp_path: Path) -> None:
    import psycopg

    _shop(postgres_database, 10)
    with psycopg.connect(postgres_database.replace("+psycopg", "")) as other:
        other.execute("LOCK TABLE purchases IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(UnavailableError, match="lock timeout"):
            run_export(pipeline(postgres_database, tmp_path / "stage"))
    assert committed(tmp_path / "stage") == []


@pytest.mark.parametrize("fixture", ["postgres_database", "mariadb_database", "mysql_database"])
def test_a_snapshot_holds_the_tables_definition_from_its_beginning(
    request: pytest.FixtureRequest, fixture: str
) -> None:
    """Or a TRUNCATE between the snapshot and the first row would export an empty day."""
    url = request.getfixturevalue(fixture)
    _shop(url, 10)
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with open_source(url) as source, engine.connect() as other:
        source.begin_snapshot(TableName(None, "purchases"), max_seconds=20)
        is_postgres = engine.dialect.name == "postgresql"
        other.exec_driver_sql("SET lock_timeout = '500ms'" if is_postgres else "SET lock_wait_timeout = 1")
        with pytest.raises(sa.exc.OperationalError, match="timeout"):
            other.exec_driver_sql("TRUNCATE TABLE purchases")


def test_a_cancelled_export_in_a_thread_stops(postgres_database: str, tmp_path: Path) -> None:
    _shop(postgres_database, 10)
    cancel = Cancel()
    threading.Timer(1.0, cancel.set).start()
    with pytest.raises(InterruptedRunError):
        run_export(pipeline(postgres_database, tmp_path / "stage", where="pg_sleep(3) IS NOT NULL"), cancel=cancel)
    assert committed(tmp_path / "stage") == []


@pytest.mark.parametrize("fixture", ["postgres_database", "mariadb_database", "mysql_database"])
@pytest.mark.fault("cut", step="export")
def test_a_connection_that_the_server_ends_is_unavailable(
    request: pytest.FixtureRequest, tmp_path: Path, fixture: str
) -> None:
    url = request.getfixturevalue(fixture)
    _shop(url, 50)
    killed = threading.Thread(target=_end_when_busy, args=(Database(url), BUSY[fixture].split(" ")[0]))
    killed.start()
    with pytest.raises(UnavailableError) as caught:
        run_export(pipeline(url, tmp_path / "stage", where=BUSY[fixture]))
    killed.join()
    assert caught.value.exit_code == ExitCode.UNAVAILABLE
    assert committed(tmp_path / "stage") == []


def test_an_error_between_two_rows_is_bad_input(postgres_database: str, tmp_path: Path) -> None:
    _shop(postgres_database, 0)
    Database(postgres_database).execute(
        "INSERT INTO purchases SELECT n, '2026-11-14 12:00', 1 FROM generate_series(1, 200000) n"
    )
    allowed = {"allow_full_scan": True}
    condition = "1 / (user_id - 199990) IS NOT NULL"
    settings = pipeline(postgres_database, tmp_path / "stage", export=allowed, where=condition)
    with pytest.raises(InputError, match="division by zero"):
        run_export(settings)
    assert committed(tmp_path / "stage") == []


def _end_when_busy(database: Database, text: str) -> None:
    _wait_until(lambda: _busy(database, text) > 0)
    if database.dialect == "postgresql":
        database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'active' "
            f"AND query LIKE '%{text}%' AND pid <> pg_backend_pid()"
        )
    else:
        ((number,),) = database.execute(
            f"SELECT id FROM information_schema.processlist WHERE info LIKE '%{text}%' AND id <> connection_id()"
        )
        database.execute(f"KILL CONNECTION {number}")


BUSY = {
    "postgres_database": "pg_sleep(30) IS NOT NULL",
    **dict.fromkeys(("mariadb_database", "mysql_database"), "SLEEP(30) = 0"),
}
SLOW = "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 100000000) SELECT max(n) FROM c) > 0"


@pytest.mark.parametrize(
    ("fixture", "number"),
    [
        *((fixture, signal.SIGTERM) for fixture in (*BUSY, "sqlite_database")),
        ("sqlite_database", signal.SIGINT),
        *(
            pytest.param(fixture, signal.SIGINT, marks=pytest.mark.nightly) for fixture in BUSY
        ),  # one handler hears both
    ],
)
def test_a_signal_ends_a_real_process_while_the_database_is_busy(
    request: pytest.FixtureRequest, tmp_path: Path, fixture: str, number: signal.Signals
) -> None:
    url = request.getfixturevalue(fixture)
    _shop(url, 50)
    where = BUSY.get(fixture, SLOW)
    process = _start(url, tmp_path, where)
    try:
        _wait_until(lambda: _is_busy(url, where, tmp_path), process)
        process.send_signal(number)
        _, error = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == ExitCode.UNAVAILABLE, error
    assert "Stopped on request" in error
    assert committed(tmp_path / "stage") == []
    if fixture in BUSY:
        _wait_until(lambda: _busy(Database(url), where.split(" ")[0]) == 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_real_process_in_the_middle_of_the_rows(
    sqlite_database: str, tmp_path: Path, number: signal.Signals
) -> None:
    """A big table; the signal comes when the first bytes of the shards were written."""
    _shop(sqlite_database, 0)
    Database(sqlite_database).execute(
        "INSERT INTO purchases WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 700000) "
        "SELECT n, '2026-11-14 12:00:00', n FROM c"
    )
    process = _start(sqlite_database, tmp_path, "1=1", row_group_bytes=1_000_000)
    try:
        said = ""
        for line in process.stderr or ():
            said += line
            if '"rows": ' in line and '"rows": 0' not in line:
                break
        process.send_signal(number)
        _, error = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == ExitCode.UNAVAILABLE, said + error
    assert committed(tmp_path / "stage") == []


def _start(url: str, folder: Path, where: str, row_group_bytes: int = 64_000_000) -> subprocess.Popen[str]:
    (folder / "stage").mkdir()
    config = folder / "pipeline.toml"
    config.write_text(
        f"""
name = "daily_revenue"
[source]
url = "env:SHOP_URL"
table = "purchases"
key = "user_id"
time = "purchased_at"
columns = ["amount"]
where = "{where}"
timezone = "Europe/Berlin"
[staging]
url = "file://{folder}/stage"
[export]
shards = 4
allow_full_scan = true
max_snapshot_seconds = 600
row_group_bytes = {row_group_bytes}
[target]
url = "sqlite:///target.db"
table = "revenue"
"""
    )
    command = [warm_python(), "-m", "exporter", "--config", str(config), "--day", "2026-11-14", "--run-id", "run-0001"]
    environment = {**os.environ, "SHOP_URL": url, "PENSTOCK_PROGRESS": "1"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def _is_busy(url: str, where: str, folder: Path) -> bool:
    if url.startswith("sqlite"):
        return list((folder / "stage").rglob("run.json")) != [] and time.monotonic() % 1 > 0.9
    return _busy(Database(url), where.split(" ", maxsplit=1)[0]) > 0


def _busy(database: Database, text: str) -> int:
    """How many statements with this text run on the server."""
    if database.dialect == "postgresql":
        others = "FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
        sql = f"SELECT count(*) {others} AND query LIKE '%{text}%'"
    else:
        sql = (
            f"SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%{text}%' AND id <> connection_id()"
        )
    return int(database.execute(sql)[0][0])


def _wait_until(condition: Any, process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        if process is not None and process.poll() is not None:
            pytest.fail(f"ended by itself: {process.communicate()[1]}")
        time.sleep(0.05)
