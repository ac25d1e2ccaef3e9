"""A day read in slices of a hot standby: sealed by the primary's transaction numbers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.open_source import open_source
from exporter.port.sliced_source import Stretch
from exporter.port.source import Statement, TableName
from staging.config.pipeline import Pipeline
from tests.exporter.days import pipeline, run_export
from tests.loader.runs import LoaderRun, revenue
from tests.loader.target_fixtures import LoaderTarget
from tests.servers.postgres import USER, PostgresServer
from tests.servers.server import HOST, PASSWORD
from tests.shop.purchases import create_purchases

pytestmark = pytest.mark.integration

ROWS = 2000


class Standby(PostgresServer):
    """A hot standby of another server."""

    name = "standby"

    def __init__(self, primary: PostgresServer) -> None:
        self._primary = primary
        super().__init__()

    def prepare(self) -> None:
        """Copy the primary."""
        program = Path(self._programs.initdb).with_name("pg_basebackup")
        to = ["-h", HOST, "-p", str(self._primary.port), "-U", USER, "-D", str(self.folder / "data")]
        self.run([str(program), *to, "-R", "--checkpoint=fast", "--no-sync"], PGPASSWORD=PASSWORD)


@pytest.fixture(scope="module")
def servers(postgres_of_the_file: PostgresServer) -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """A primary and its standby, to which only the tests write: nothing is vacuumed."""
    with postgres_of_the_file.connect() as connection:
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")
    standby = Standby(postgres_of_the_file)
    try:
        standby.start()
        yield postgres_of_the_file, standby
    finally:
        standby.close()


@pytest.fixture
def pair(
    servers: tuple[PostgresServer, PostgresServer],
) -> Iterator[tuple[PostgresServer, PostgresServer, str]]:
    """A primary with a shop, its standby, the database's name."""
    primary, standby = servers
    database = primary.create_database()
    create_purchases(primary.url(database)).execute(
        "INSERT INTO purchases SELECT g, g % 50, timestamptz '2026-11-13 23:00+00' + g * interval '40 seconds', g "
        f"FROM generate_series(0, {ROWS - 1}) g"
    )
    _write(primary, standby, database, "SELECT pg_catalog.txid_current()")
    yield primary, standby, database
    primary.drop_database(database)


def _settings(server: PostgresServer, database: str, folder: Path) -> Pipeline:
    made = pipeline(server.url(database), folder, export={"read": "slices", "shards": 2})
    return made.model_copy(update={"pacing": made.pacing.model_copy(update={"gentle": "replica"})})


def _write(primary: PostgresServer, standby: PostgresServer, database: str, sql: str) -> None:
    """Write on the primary, and wait until the standby shows it, also what the primary has yet to flush."""
    with primary.connect(database) as connection:
        connection.execute(sql.encode())
        ((position,),) = connection.execute("SELECT pg_current_wal_insert_lsn()::text").fetchall()
    with standby.connect() as connection:  # the test's own database may be still to come
        for _ in range(400):
            ((there,),) = connection.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (position,)).fetchall()
            if there:
                return
            time.sleep(0.05)
    raise AssertionError("the standby does not follow")


def test_a_standby_is_sealed_and_its_weaker_promise_told(
    pair: tuple[PostgresServer, PostgresServer, str], tmp_path: Path
) -> None:
    primary, standby, database = pair
    _write(primary, standby, database, "INSERT INTO purchases VALUES (99999, 1, '2027-01-01', 1)")
    manifest = run_export(_settings(standby, database, tmp_path)).manifest
    assert manifest["rows"] == ROWS
    evidence: dict[str, Any] = manifest["source"]["evidence"]
    assert "primary's open ones are not seen" in evidence["closed"]
    assert evidence["lsn"].startswith("replay ")


def test_a_write_that_a_standby_replays_during_the_read_is_seen_by_the_seal(
    pair: tuple[PostgresServer, PostgresServer, str],
) -> None:
    primary, standby, database = pair
    _write(primary, standby, database, "SELECT pg_catalog.txid_current()")
    with closing(primary.connect(database)) as open_on_primary:
        # In flight on the primary when the read begins; commits, and is replayed, before the seal.
        open_on_primary.execute("BEGIN")
        open_on_primary.execute("UPDATE purchases SET amount = amount + 1 WHERE id = 1")
        _write(primary, standby, database, "INSERT INTO purchases VALUES (99999, 1, '2027-01-01', 1)")
        with open_source(standby.url(database)) as source:
            slices: Any = source.begin_slices(TableName(None, "purchases"))
            statement = _statement(slices)
            axis = slices.plan_axis(statement)
            slices.begin_seal(statement, axis)
            read = slices.read_slice(axis.low, axis.high)
            open_on_primary.execute("COMMIT")
            _write(primary, standby, database, "SELECT txid_current()")
            seal = slices.seal([Stretch(axis.high, read.rows, slices.gather([read]).checksum)])
    assert read.rows == ROWS
    assert not seal.agrees
    assert seal.rows_differ == 1


def _statement(slices: Any) -> Any:
    columns = slices.describe()
    carried = tuple(columns[name].carried for name in ("user_id", "purchased_at", "amount"))
    low, high = datetime(2026, 11, 13, 23, tzinfo=UTC), datetime(2026, 11, 14, 23, tzinfo=UTC)
    return Statement(carried, slices.table_sql, '"purchased_at"', low, high, None, slices.literal)


def test_a_standby_that_has_not_replayed_so_far_is_not_over(
    pair: tuple[PostgresServer, PostgresServer, str],
) -> None:
    primary, standby, database = pair
    _write(primary, standby, database, "SELECT txid_current()")
    with open_source(standby.url(database)) as source:
        now = datetime.now(UTC)
        over = source.find_closed(now - timedelta(hours=2), 60)
        assert over is not None
        assert over.is_closed
        # Over by its clock, but it has replayed nothing since.
        time.sleep(1.5)
        closed = source.find_closed(datetime.now(UTC) - timedelta(seconds=0.5), 0)
    assert closed is not None
    assert not closed.is_closed
    assert closed.is_weak
    assert "replayed" in closed.why_not


def _url_of_both(servers: list[PostgresServer], database: str, options: str) -> str:
    """One URL with both hosts, in this order."""
    account, _, _ = servers[0].url(database).rpartition("@")
    hosts = "&".join(f"host={HOST}:{server.port}" for server in servers)
    return f"{account}@/{database}?{hosts}&{options}"


@pytest.mark.parametrize("read", ["slices", "snapshot"])
@pytest.mark.parametrize("wish", ["standby", "prefer-standby", "read-only"])
def test_of_two_hosts_in_one_url_the_standby_is_read_where_it_is_asked_for(
    pair: tuple[PostgresServer, PostgresServer, str], tmp_path: Path, wish: str, read: str
) -> None:
    primary, standby, database = pair
    _write(primary, standby, database, "INSERT INTO purchases VALUES (99999, 1, '2027-01-01', 1)")
    made = pipeline(
        _url_of_both([primary, standby], database, f"target_session_attrs={wish}"),
        tmp_path,
        export={"read": read, "shards": 2},
    )
    made = made.model_copy(update={"pacing": made.pacing.model_copy(update={"gentle": "replica"})})
    manifest = run_export(made).manifest
    assert manifest["rows"] == ROWS
    assert manifest["source"]["evidence"]["lsn"].startswith("replay ")


@pytest.mark.parametrize("wish", ["primary", "read-write"])
def test_of_two_hosts_in_one_url_the_primary_is_written_to(
    pair: tuple[PostgresServer, PostgresServer, str], tmp_path: Path, wish: str
) -> None:
    primary, standby, database = pair
    url = _url_of_both([standby, primary], database, f"target_session_attrs={wish}")
    target = LoaderTarget("postgres", url)
    made = LoaderRun(tmp_path / "staging", revenue(range(1, 20)))
    made.write()
    target.init(made)
    target.load(made)
    with primary.connect(database) as connection:
        ((rows,),) = connection.execute("SELECT COUNT(*) FROM revenue").fetchall()
    assert rows == len(made.rows)


@pytest.mark.parametrize("read", ["slices", "snapshot"])
def test_a_day_is_whole_where_each_connection_chooses_its_host_at_random(
    pair: tuple[PostgresServer, PostgresServer, str], tmp_path: Path, read: str
) -> None:
    primary, standby, database = pair
    _write(primary, standby, database, "INSERT INTO purchases VALUES (99999, 1, '2027-01-01', 1)")
    url = _url_of_both([primary, standby], database, "load_balance_hosts=random")
    made = pipeline(url, tmp_path, export={"read": read, "shards": 2})
    made = made.model_copy(update={"pacing": made.pacing.model_copy(update={"gentle": "replica"})})
    for number in range(3):
        manifest = run_export(made, run_id=f"run-{number}", fresh_export=True).manifest
        assert manifest["rows"] == ROWS


def test_both_connections_are_to_one_server_where_each_would_choose_its_own(
    pair: tuple[PostgresServer, PostgresServer, str],
) -> None:
    primary, standby, database = pair
    where = "SELECT inet_server_port()"
    for _ in range(8):  # as many as two choices at random agree in one of 256 times
        with open_source(_url_of_both([primary, standby], database, "load_balance_hosts=random")) as source:
            opened: Any = source
            assert opened.catalogue.rows(where) == opened.connection.run(where, "say where it is")
