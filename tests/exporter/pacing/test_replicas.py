"""Replication lag on real replicas: one that keeps up, one that falls behind, one that stops; and exports from them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pymysql
import pytest

from databases.url import parse_url
from exporter.open_source import open_source
from exporter.pacing.limits import ReplicaLag
from exporter.pacing.mysql_signals import MysqlLag, MysqlSessions
from exporter.pacing.postgres_signals import PostgresLag
from exporter.pacing.signal_connection import SignalConnection
from exporter.pacing.signals import PauseReason
from exporter.port.source import Source
from staging.config.pipeline import Pipeline
from staging.errors import InputError, UnavailableError
from tests.exporter.days import committed, pipeline, run_export
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import USER, PostgresServer
from tests.servers.programs import find_postgres
from tests.servers.server import HOST, PASSWORD

pytestmark = pytest.mark.integration

LIMIT_SECONDS = 1
ROWS = 3000
AMOUNT = "4498500.00"


class Standby(PostgresServer):
    """A standby that streams from a primary."""

    def __init__(self, primary: PostgresServer) -> None:
        self._primary = primary
        super().__init__()

    def prepare(self) -> None:
        """Copy the primary."""
        self.run(
            [
                str(find_postgres().initdb.with_name("pg_basebackup")),
                *("--host", HOST, "--port", str(self._primary.port), "--username", USER),
                *("--pgdata", str(self.folder / "data"), "--write-recovery-conf", "--checkpoint=fast"),
            ],
            PGPASSWORD=PASSWORD,
        )


def until(look: Callable[[], object], wanted: Callable[[Any], bool], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = look()
        except (UnavailableError, InputError) as error:
            found = error
        if wanted(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def is_behind(found: Any) -> bool:
    return isinstance(found, PauseReason) and found.kind == "replica_lag"


def is_calm(found: Any) -> bool:
    return found is None


@pytest.fixture
def standby(own_postgres: PostgresServer) -> Iterator[PostgresServer]:
    server = Standby(own_postgres)
    server.start()
    yield server
    server.close()


def postgres_lag(server: PostgresServer, **user: str) -> tuple[SignalConnection, ReplicaLag]:
    connection = SignalConnection(parse_url(server.url(**user)), "postgresql")
    return connection, PostgresLag(connection, LIMIT_SECONDS)


@pytest.mark.nightly
def test_a_postgres_standby_and_its_primary_both_tell_how_far_it_is_behind(
    own_postgres: PostgresServer, standby: PostgresServer
) -> None:
    here, on_standby = postgres_lag(standby)
    there, on_primary = postgres_lag(own_postgres)
    with closing(here), closing(there), own_postgres.connect() as primary, standby.connect() as replica:
        primary.execute("CREATE TABLE t (n int)")
        until(on_standby.look, is_calm)
        until(on_primary.look, is_calm)
        time.sleep(LIMIT_SECONDS + 0.5)
        assert on_standby.look() is None  # nothing was written for longer than that: it is not behind for it
        assert on_primary.look() is None

        replica.execute("SELECT pg_wal_replay_pause()")
        primary.execute("INSERT INTO t VALUES (1)")
        assert "behind" in until(on_standby.look, is_behind).text
        until(on_primary.look, is_behind)
        replica.execute("SELECT pg_wal_replay_resume()")
        until(on_standby.look, is_calm)
        until(on_primary.look, is_calm)

        primary.execute("CREATE USER plain PASSWORD 'plain'")
        connection, hidden = postgres_lag(own_postgres, user="plain", password="plain")
        with closing(connection), pytest.raises(UnavailableError, match="hides how far its standbys are"):
            hidden.look()

        replica.close()
        standby.stop()
        until(on_primary.look, lambda found: isinstance(found, InputError))  # none is connected any more: not calm


@pytest.mark.nightly
def test_a_postgres_standby_whose_primary_is_gone_falls_behind(
    own_postgres: PostgresServer, standby: PostgresServer
) -> None:
    connection, lag = postgres_lag(standby)
    with closing(connection):
        with own_postgres.connect() as primary:
            primary.execute("CREATE TABLE t (n int)")
        until(lag.look, is_calm)
        own_postgres.kill()
        until(lag.look, is_behind)


@pytest.fixture
def replica(own_mariadb: MariadbServer) -> Iterator[MariadbServer]:
    server = MariadbServer()
    server.start()
    server.execute("SET GLOBAL server_id = 2")
    with own_mariadb.connect() as primary, primary.cursor() as cursor:
        cursor.execute("SELECT @@gtid_current_pos")  # what it did for itself before there was anything to replicate
        ((position,),) = cursor.fetchall()
    server.execute(f"SET GLOBAL gtid_slave_pos = '{position}'")
    follow(server, own_mariadb)
    yield server
    server.close()


def follow(replica: MariadbServer, primary: MariadbServer, name: str = "") -> None:
    """Replicate by a connection of this name from now on."""
    place = f"master_host = '{HOST}', master_port = {primary.port}, master_user = 'penstock'"
    replica.execute(
        f"CHANGE MASTER '{name}' TO {place}, master_password = '{PASSWORD}', master_use_gtid = slave_pos, "
        "master_connect_retry = 1"
    )
    replica.execute(f"START REPLICA '{name}'")


def is_stopped(found: Any) -> bool:
    return isinstance(found, UnavailableError) and "Replication does not run" in found.what


def test_a_mariadb_replica_tells_how_far_it_is_behind_and_that_it_stopped(
    own_mariadb: MariadbServer, replica: MariadbServer
) -> None:
    connection = SignalConnection(parse_url(replica.url()), "mariadb")
    lag = MysqlLag(connection, LIMIT_SECONDS)
    with closing(SignalConnection(parse_url(own_mariadb.url()), "mariadb")) as to_primary:
        # What sends the log to the replica runs for ever, and is no load.
        sessions = MysqlSessions(to_primary, limit=1, critical=None)
        until(lambda: to_primary.ask("SHOW GLOBAL STATUS LIKE 'Slaves_connected'").rows[0][1], lambda n: int(n) == 1)
        until(sessions.count, lambda count: count == 0)
    with closing(connection):
        own_mariadb.execute("CREATE DATABASE shop")
        until(lag.look, is_calm)
        replica.execute("STOP REPLICA SQL_THREAD")
        until(lag.look, is_stopped)

        replica.execute("STOP REPLICA")
        replica.execute("CHANGE MASTER TO master_delay = 600")
        replica.execute("START REPLICA")
        own_mariadb.execute("CREATE TABLE shop.t (n int)")
        assert "behind" in until(lag.look, is_behind).text
        replica.execute("STOP REPLICA")
        replica.execute("CHANGE MASTER TO master_delay = 0")
        replica.execute("START REPLICA")
        until(lag.look, is_calm)

        replica.execute("STOP REPLICA")
        replica.execute("RESET REPLICA ALL")
        until(lag.look, lambda found: isinstance(found, InputError))  # it is no replica any more
        follow(replica, own_mariadb, "north")
        until(lag.look, is_calm)
        replica.execute("STOP REPLICA 'north'")
        until(lag.look, is_stopped)
        replica.execute("START REPLICA 'north'")
        until(lag.look, is_calm)
        own_mariadb.kill()
        until(lag.look, is_stopped)  # nobody knows what it misses


@pytest.mark.nightly
def test_the_right_to_see_replication_is_asked_for_by_name(own_mariadb: MariadbServer, replica: MariadbServer) -> None:
    replica.execute("CREATE USER plain IDENTIFIED BY 'plain'")
    url = replica.url("information_schema", user="plain", password="plain")
    connection = SignalConnection(parse_url(url), "mariadb")
    with closing(connection):
        with pytest.raises(InputError, match="could not say how it is") as caught:
            MysqlLag(connection, LIMIT_SECONDS).look()
        assert "REPLICA MONITOR" in caught.value.why.upper().replace("SLAVE MONITOR", "REPLICA MONITOR")
        replica.execute("GRANT REPLICA MONITOR ON *.* TO plain")
    with closing(SignalConnection(parse_url(url), "mariadb")) as granted:
        until(MysqlLag(granted, LIMIT_SECONDS).look, is_calm)


# --- exports --------------------------------------------------------------------------------------------------------


def fill(primary: MariadbServer) -> None:
    """Create a shop of a day."""
    primary.execute("CREATE DATABASE shop")
    with primary.connect("shop") as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE purchases (id bigint PRIMARY KEY, user_id bigint NOT NULL, "
            "purchased_at datetime(6) NOT NULL, amount decimal(12,2) NOT NULL, KEY (purchased_at))"
        )
        cursor.execute(
            "INSERT INTO purchases SELECT seq, seq MOD 50, '2026-11-13 23:00' + INTERVAL seq * 28 SECOND, seq "
            f"FROM seq_0_to_{ROWS - 1}"
        )


def settings(url: str, folder: Path, **pacing: int) -> Pipeline:
    """Read in slices, flat out but for the lag."""
    made = pipeline(url, folder, export={"read": "slices", "shards": 2})
    limits = {"gentle": "replica", "max_replica_lag_seconds": LIMIT_SECONDS, **pacing}
    return made.model_copy(update={"pacing": made.pacing.model_copy(update=limits)})


class BeforeASlice:
    """Opens the source and calls `work` before its third slice."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.work, self.slices = work, 0

    @contextmanager
    def __call__(self, url: str) -> Iterator[Source]:
        with open_source(url) as source:
            begin = source.begin_slices
            source.begin_slices = lambda table: self._watch(begin(table))  # type: ignore[method-assign]
            yield source

    def _watch(self, slices: Any) -> Any:
        read_slice = slices.read_slice

        def read(low: int, high: int) -> Any:
            if self.slices == 2:
                self.work()
            self.slices += 1
            return read_slice(low, high)

        slices.read_slice = read
        return slices


@pytest.fixture
def filled(own_mariadb: MariadbServer, replica: MariadbServer) -> MariadbServer:
    """The replica, with the shop on it."""
    fill(own_mariadb)
    until(lambda: count_rows(replica), lambda rows: rows == ROWS)
    return replica


def count_rows(server: MariadbServer) -> int:
    with server.connect() as connection, connection.cursor() as cursor:
        try:
            cursor.execute("SELECT COUNT(*) FROM shop.purchases")
        except pymysql.err.ProgrammingError:
            return 0  # not yet
        return int(cursor.fetchall()[0][0])


def test_an_export_from_a_replica_whose_replication_stops_waits_until_it_runs_again(
    filled: MariadbServer, tmp_path: Path
) -> None:
    def stop_for_a_while() -> None:
        filled.execute("STOP REPLICA")
        starter = threading.Timer(2.5, lambda: filled.execute("START REPLICA"))
        starter.daemon = True
        starter.start()
        time.sleep(1.2)  # then the next look is due

    manifest = run_export(settings(filled.url("shop"), tmp_path), opener=BeforeASlice(stop_for_a_while)).manifest
    assert (manifest["rows"], manifest["sums"]) == (ROWS, {"amount": AMOUNT})
    assert manifest["reading"]["waited_seconds"]["unreadable_signal"] > 0


def test_an_export_from_a_replica_whose_replication_stays_stopped_or_behind_ends_with_the_reason(
    own_mariadb: MariadbServer, filled: MariadbServer, tmp_path: Path
) -> None:
    def stop() -> None:
        filled.execute("STOP REPLICA")
        time.sleep(1.2)

    impatient = settings(filled.url("shop"), tmp_path, max_pause_seconds=2)
    with pytest.raises(UnavailableError, match="max_pause_seconds") as caught:
        run_export(impatient, opener=BeforeASlice(stop))
    assert "Replication does not run" in caught.value.why
    assert committed(tmp_path) == []

    filled.execute("CHANGE MASTER TO master_delay = 600")
    filled.execute("START REPLICA")
    own_mariadb.execute("CREATE TABLE shop.later (n int)")
    with closing(SignalConnection(parse_url(filled.url()), "mariadb")) as connection:
        until(MysqlLag(connection, LIMIT_SECONDS).look, is_behind)
    with pytest.raises(UnavailableError, match="max_pause_seconds") as caught:
        run_export(impatient)
    assert "s behind, > 1 s" in caught.value.why
    assert "when the replica has caught up" in caught.value.fix
    assert committed(tmp_path) == []


def test_an_export_that_may_not_see_the_replication_it_was_told_to_watch_ends_at_once(
    filled: MariadbServer, tmp_path: Path
) -> None:
    filled.execute("CREATE USER reader IDENTIFIED BY 'reader'")
    filled.execute("GRANT SELECT ON shop.* TO reader")
    url = filled.url("shop", user="reader", password="reader")
    with pytest.raises(InputError) as caught:
        run_export(settings(url, tmp_path))
    assert "SLAVE MONITOR" in caught.value.why.upper()
    assert "docs/gentle.md" in caught.value.fix
    assert committed(tmp_path) == []
    filled.execute("GRANT REPLICA MONITOR ON *.* TO reader")
    assert run_export(settings(url, tmp_path)).manifest["rows"] == ROWS
