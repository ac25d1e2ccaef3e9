"""Replication lag on real replicas: one that keeps up, one that falls behind, one that stops; and exports from them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymysql
import pytest
import sqlalchemy as sa

from databases.url import parse_url
from exporter.mysql.closed import find_closed
from exporter.mysql.session import MysqlSession
from exporter.open_source import open_source
from exporter.pacing.limits import ReplicaLag
from exporter.pacing.mysql_signals import MysqlLag, MysqlSessions
from exporter.pacing.postgres_signals import PostgresLag
from exporter.pacing.signal_connection import SignalConnection
from exporter.pacing.signals import PauseReason
from exporter.port.database import Source
from staging.config.pipeline import Pipeline
from staging.errors import InputError, UnavailableError
from tests.exporter.days import committed, pipeline, run_export
from tests.servers.mariadb import MariadbServer
from tests.servers.mysql import MysqlServer
from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.postgres import USER, PostgresServer
from tests.servers.programs import find_postgres
from tests.servers.server import HOST, PASSWORD
from tests.shop.purchases import create_purchases

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


@dataclass(frozen=True)
class Words:
    """What is said to a replica, and asked of its primary."""

    position: str
    """Asks where the log is before there is anything to replicate."""
    begin_at: tuple[str, ...]
    follow: str
    delay: str
    start: str
    stop: str
    senders: str
    """Counts the replicas that are connected."""
    right: str


WORDS = {
    "mariadb": Words(
        position="SELECT @@gtid_current_pos",
        begin_at=("SET GLOBAL gtid_slave_pos = '{position}'",),
        follow="CHANGE MASTER '{name}' TO master_host = '{host}', master_port = {port}, master_user = 'penstock', "
        "master_password = '{password}', master_use_gtid = slave_pos, master_connect_retry = 1",
        delay="CHANGE MASTER TO master_delay = {seconds}",
        start="START REPLICA '{name}'",
        stop="STOP REPLICA '{name}'",
        senders="SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'Slaves_connected'",
        right="REPLICA MONITOR",
    ),
    "mysql": Words(
        position="SELECT @@GLOBAL.gtid_executed",
        begin_at=("RESET BINARY LOGS AND GTIDS", "SET GLOBAL gtid_purged = '{position}'"),
        follow="CHANGE REPLICATION SOURCE TO SOURCE_HOST = '{host}', SOURCE_PORT = {port}, SOURCE_USER = 'penstock', "
        "SOURCE_PASSWORD = '{password}', SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1, "
        "SOURCE_CONNECT_RETRY = 1 FOR CHANNEL '{name}'",
        delay="CHANGE REPLICATION SOURCE TO SOURCE_DELAY = {seconds}",
        start="START REPLICA FOR CHANNEL '{name}'",
        stop="STOP REPLICA FOR CHANNEL '{name}'",
        senders="SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'",
        right="REPLICATION CLIENT",
    ),
}
EACH = pytest.mark.parametrize("primary", ["mariadb", "mysql"], indirect=True)
MYSQL_NIGHTLY = pytest.mark.parametrize(
    "primary", ["mariadb", pytest.param("mysql", marks=pytest.mark.nightly)], indirect=True
)


@pytest.fixture
def primary(request: pytest.FixtureRequest) -> MysqlFamilyServer:
    server: MysqlFamilyServer = request.getfixturevalue(f"own_{request.param}")
    return server


@pytest.fixture
def replica(primary: MysqlFamilyServer) -> Iterator[MysqlFamilyServer]:
    server = MariadbServer() if primary.dialect == "mariadb" else MysqlServer()
    server.start()
    server.execute("SET GLOBAL server_id = 2")
    words = WORDS[primary.dialect]
    for word in words.begin_at:
        server.execute(word.format(position=ask(primary, words.position)))
    follow(server, primary)
    yield server
    server.close()


def ask(server: MysqlFamilyServer, question: str) -> Any:
    """The one value that it answers."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(question)
        ((found,),) = cursor.fetchall()
    return found


def follow(replica: MysqlFamilyServer, primary: MysqlFamilyServer, name: str = "") -> None:
    """Replicate by a connection of this name from now on."""
    words = WORDS[primary.dialect]
    replica.execute(words.follow.format(name=name, host=HOST, port=primary.port, password=PASSWORD))
    replica.execute(words.start.format(name=name))


def is_stopped(found: Any) -> bool:
    return isinstance(found, UnavailableError) and "Replication does not run" in found.what


@EACH
def test_a_replica_tells_how_far_it_is_behind_and_that_it_stopped(
    primary: MysqlFamilyServer, replica: MysqlFamilyServer
) -> None:
    words = WORDS[primary.dialect]
    connection = SignalConnection(parse_url(replica.url()), primary.dialect)
    lag = MysqlLag(connection, LIMIT_SECONDS)
    until(lambda: int(ask(primary, words.senders)), lambda count: count == 1)
    with closing(SignalConnection(parse_url(primary.url()), primary.dialect)) as to_primary:
        # What sends the log to the replica runs for ever, and is no load.
        sessions = MysqlSessions(to_primary, limit=1, critical=None)
        until(sessions.count, lambda count: count == 0)
    with closing(connection):
        primary.execute("CREATE DATABASE shop")
        until(lag.look, is_calm)
        assert why_not_over(replica) == ""
        replica.execute("STOP REPLICA SQL_THREAD")
        until(lag.look, is_stopped)

        replica.execute("STOP REPLICA")
        replica.execute(words.delay.format(seconds=600))
        replica.execute("START REPLICA")
        primary.execute("CREATE TABLE shop.t (n int)")
        assert "behind" in until(lag.look, is_behind).text
        replica.execute("STOP REPLICA")
        replica.execute(words.delay.format(seconds=0))
        replica.execute("START REPLICA")
        until(lag.look, is_calm)

        replica.execute("STOP REPLICA")
        replica.execute("RESET REPLICA ALL")
        until(lag.look, lambda found: isinstance(found, InputError))  # it is no replica any more
        follow(replica, primary, "north")
        until(lag.look, is_calm)
        replica.execute(words.stop.format(name="north"))
        until(lag.look, is_stopped)
        replica.execute(words.start.format(name="north"))
        until(lag.look, is_calm)
        primary.kill()
        until(lag.look, is_stopped)  # nobody knows what it misses
        replica.execute(words.stop.format(name="north"))
        replica.execute("RESET REPLICA ALL")
        follow(replica, primary, "north")  # MySQL says that it is 0 s behind a source it has never reached
        until(lag.look, is_stopped)
        assert "until nobody knows when" in why_not_over(replica)


def why_not_over(replica: MysqlFamilyServer, day_end: datetime | None = None) -> str:
    """Why a day of two weeks ago, or of another end, may still change, as this server knows it."""
    with closing(MysqlSession(sa.make_url(replica.url()))) as session:
        return find_closed(session, day_end or datetime.now(UTC) - timedelta(days=14), 0).why_not


@MYSQL_NIGHTLY
def test_a_day_is_not_over_behind_a_replica_that_passes_nothing_on(
    primary: MysqlFamilyServer, replica: MysqlFamilyServer
) -> None:
    words = WORDS[primary.dialect]
    last = MariadbServer() if primary.dialect == "mariadb" else MysqlServer()
    with closing(last):
        last.start()
        last.execute("SET GLOBAL server_id = 3")
        for word in words.begin_at:
            last.execute(word.format(position=ask(primary, words.position)))
        follow(last, replica)
        primary.execute("CREATE DATABASE shop")
        names = "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = 'shop'"
        if primary.dialect == "mysql":  # of MariaDB's, one that does not log what it applies passes nothing on
            until(lambda: ask(last, names), lambda found: found == 1)
            assert why_not_over(last) == ""
        until(lambda: ask(replica, names), lambda found: found == 1)
        assert why_not_over(replica) == ""
        replica.execute(words.stop.format(name=""))
        primary.execute("CREATE DATABASE bank")
        for server in (replica, last):
            server.execute(
                "SET GLOBAL slave_net_timeout = 1"
                if primary.dialect == "mariadb"
                else "SET GLOBAL replica_net_timeout = 1"
            )
        written = datetime.now(UTC)
        time.sleep(4)  # what the replica's own seconds say is past that now
        assert "has applied its primary's transactions until" in why_not_over(last, written)


@pytest.mark.nightly
@EACH
def test_the_right_to_see_replication_is_asked_for_by_name(
    primary: MysqlFamilyServer, replica: MysqlFamilyServer
) -> None:
    right = WORDS[primary.dialect].right
    replica.execute("CREATE USER plain IDENTIFIED BY 'plain'")
    url = replica.url("information_schema", user="plain", password="plain")
    connection = SignalConnection(parse_url(url), replica.dialect)
    with closing(connection):
        with pytest.raises(InputError, match="could not say how it is") as caught:
            MysqlLag(connection, LIMIT_SECONDS).look()
        assert right in caught.value.why.upper().replace("SLAVE MONITOR", "REPLICA MONITOR")
        replica.execute(f"GRANT {right} ON *.* TO plain")
    with closing(SignalConnection(parse_url(url), replica.dialect)) as granted:
        until(MysqlLag(granted, LIMIT_SECONDS).look, is_calm)


# --- exports --------------------------------------------------------------------------------------------------------


def fill(primary: MysqlFamilyServer) -> None:
    """Create a shop of a day."""
    primary.execute("CREATE DATABASE shop")
    shop = create_purchases(primary.url("shop"), columns={"purchased_at": "datetime(6) NOT NULL"})
    shop.execute(
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
            source.begin_slices = lambda *given, **options: self._watch(begin(*given, **options))  # type: ignore[method-assign] # what is watched
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
def filled(primary: MysqlFamilyServer, replica: MysqlFamilyServer) -> MysqlFamilyServer:
    """The replica, with the shop on it."""
    fill(primary)
    until(lambda: count_rows(replica), lambda rows: rows == ROWS)
    return replica


def count_rows(server: MysqlFamilyServer) -> int:
    with server.connect() as connection, connection.cursor() as cursor:
        try:
            cursor.execute("SELECT COUNT(*) FROM shop.purchases")
        except pymysql.err.ProgrammingError:
            return 0  # not yet
        return int(cursor.fetchall()[0][0])


@MYSQL_NIGHTLY
def test_an_export_from_a_replica_whose_replication_stops_waits_until_it_runs_again(
    filled: MysqlFamilyServer, tmp_path: Path
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


@MYSQL_NIGHTLY
def test_an_export_from_a_replica_whose_replication_stays_stopped_or_behind_ends_with_the_reason(
    primary: MysqlFamilyServer, filled: MysqlFamilyServer, tmp_path: Path
) -> None:
    def stop() -> None:
        filled.execute("STOP REPLICA")
        time.sleep(1.2)

    impatient = settings(filled.url("shop"), tmp_path, max_pause_seconds=2)
    with pytest.raises(UnavailableError, match="max_pause_seconds") as caught:
        run_export(impatient, opener=BeforeASlice(stop))
    assert "Replication does not run" in caught.value.why
    assert committed(tmp_path) == []

    filled.execute(WORDS[primary.dialect].delay.format(seconds=600))
    filled.execute("START REPLICA")
    primary.execute("CREATE TABLE shop.later (n int)")
    with closing(SignalConnection(parse_url(filled.url()), filled.dialect)) as connection:
        until(MysqlLag(connection, LIMIT_SECONDS).look, is_behind)
    with pytest.raises(UnavailableError, match="max_pause_seconds") as caught:
        run_export(impatient)
    assert "s behind, > 1 s" in caught.value.why
    assert "when the replica has caught up" in caught.value.fix
    assert committed(tmp_path) == []


@MYSQL_NIGHTLY
def test_an_export_that_may_not_see_the_replication_it_was_told_to_watch_ends_at_once(
    filled: MysqlFamilyServer, tmp_path: Path
) -> None:
    right = WORDS[filled.dialect].right
    filled.execute("CREATE USER reader IDENTIFIED BY 'reader'")
    filled.execute("GRANT SELECT ON shop.* TO reader")
    url = filled.url("shop", user="reader", password="reader")
    with pytest.raises(InputError) as caught:
        run_export(settings(url, tmp_path))
    assert right in caught.value.why.upper().replace("SLAVE MONITOR", "REPLICA MONITOR")
    assert "penstock help gentle" in caught.value.fix
    assert committed(tmp_path) == []
    filled.execute(f"GRANT {right} ON *.* TO reader")
    assert run_export(settings(url, tmp_path)).manifest["rows"] == ROWS
