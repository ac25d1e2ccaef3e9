"""Replication lag on real replicas: one that keeps up, one that falls behind, one that stops."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from exporter.catalogue import parse_url
from exporter.pacing.limits import ReplicaLag
from exporter.pacing.mysql_signals import MysqlLag, MysqlSessions
from exporter.pacing.postgres_signals import PostgresLag
from exporter.pacing.signal_connection import SignalConnection
from exporter.pacing.signals import PauseReason
from staging.errors import InputError, UnavailableError
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import USER, PostgresServer
from tests.servers.programs import find_postgres
from tests.servers.server import HOST, PASSWORD

LIMIT_SECONDS = 1

pytestmark = pytest.mark.nightly  # two servers a test


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
    with own_mariadb.connect() as primary, primary.cursor() as cursor:
        cursor.execute("SELECT @@gtid_current_pos")  # what it did for itself before there was anything to replicate
        ((position,),) = cursor.fetchall()
    place = f"master_host = '{HOST}', master_port = {own_mariadb.port}, master_user = 'penstock'"
    for statement in (
        "SET GLOBAL server_id = 2",
        f"SET GLOBAL gtid_slave_pos = '{position}'",
        f"CHANGE MASTER TO {place}, master_password = '{PASSWORD}', master_use_gtid = slave_pos",
        "START REPLICA",
    ):
        server.execute(statement)
    yield server
    server.close()


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
        assert isinstance(until(lag.look, lambda found: found is not None), UnavailableError)  # it does not run

        replica.execute("STOP REPLICA")
        replica.execute("CHANGE MASTER TO master_delay = 600")
        replica.execute("START REPLICA")
        own_mariadb.execute("CREATE TABLE shop.t (n int)")
        assert "behind" in until(lag.look, is_behind).text
        replica.execute("STOP REPLICA")
        replica.execute("CHANGE MASTER TO master_delay = 0")
        replica.execute("START REPLICA")
        until(lag.look, is_calm)


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
