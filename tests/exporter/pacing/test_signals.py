"""Pacing on real servers: it waits for what they really do, and has nothing open while it sleeps."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import psycopg
import pymysql
import pytest

from databases.url import parse_url
from exporter.pacing.mysql_signals import MysqlSessions
from exporter.pacing.open_pace import open_pace
from exporter.pacing.signal_connection import SignalConnection
from exporter.port.pace import Pace
from staging.config.pipeline import Pipeline
from staging.documents.pause_switch import turn_pause_switch
from staging.errors import InputError, UnavailableError
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from tests.exporter.days import NOW, pipeline, run_export
from tests.servers.mysql import MysqlServer
from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.postgres import PostgresServer
from tests.shop.purchases import create_purchases

pytestmark = pytest.mark.integration

Server = PostgresServer | MysqlFamilyServer
TIMES = 10
"""How many times as fast the clock of a pace goes here: what it waits for are the server's answers, not the seconds."""
NEXT_LOOK_SECONDS = 1.1 / TIMES
A_FEW_LOOKS_SECONDS = 3.0 / TIMES


@pytest.fixture(params=["postgres", "mariadb", "mysql"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of those that all tests share."""
    found: Server = request.getfixturevalue(f"{request.param}_server")
    return found


def settings(url: str, folder: Path, **pacing: Any) -> Pipeline:
    made = pipeline(url, folder)
    return made.model_copy(update={"pacing": made.pacing.model_copy(update=pacing)})


@contextmanager
def paced(server: Server, folder: Path, *, url: str = "", **pacing: Any) -> Iterator[Pace]:
    chosen = settings(url or server.url(), folder, **({"gentle": "replica"} | pacing))
    dialect = "postgresql" if isinstance(server, PostgresServer) else server.dialect
    cancel = Cancel()
    with (
        open_store(f"file://{folder}") as store,
        open_pace(
            *(chosen, dialect, store, cancel, Progress()),
            clock=lambda: time.monotonic() * TIMES,
            sleep=lambda seconds: cancel.wait(seconds / TIMES),
        ) as pace,
    ):
        yield pace


@contextmanager
def busy(server: Server, sessions: int) -> Iterator[None]:
    """So many sessions that run a statement until the block ends."""
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(sessions)]
        threads = [threading.Thread(target=_sleep, args=(server, each)) for each in connections]
        for thread in threads:
            thread.start()
        watching = stack.enter_context(server.connect())
        _until(lambda: _sleepers(server, watching) >= sessions)
        try:
            yield
        finally:
            _cancel_all(server)
            for thread in threads:
                thread.join()


def _cancel_all(server: Server) -> None:
    with server.connect() as watching:
        for number in _sleeping_ids(server, watching):
            kill = "SELECT pg_cancel_backend(%s)" if isinstance(server, PostgresServer) else "KILL QUERY %s"
            _rows(watching, kill, (number,))


def _sleep(server: Server, connection: Any) -> None:
    statement = "SELECT pg_sleep(600)" if isinstance(server, PostgresServer) else "SELECT SLEEP(600)"
    with suppress(psycopg.errors.QueryCanceled, pymysql.err.OperationalError):
        _rows(connection, statement)


def _rows(connection: Any, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return list(cursor.fetchall()) if cursor.description else []


def _sleeping_ids(server: Server, watching: Any) -> list[int]:
    if isinstance(server, PostgresServer):
        sql = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query = 'SELECT pg_sleep(600)'"
    else:
        sql = "SELECT id FROM information_schema.processlist WHERE info = 'SELECT SLEEP(600)'"
    return [row[0] for row in _rows(watching, sql)]


def _sleepers(server: Server, watching: Any) -> int:
    return len(_sleeping_ids(server, watching))


def _until(done: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.15)


class Reader:
    """Waits for its next slice in a thread, as an export does."""

    def __init__(self, pace: Pace) -> None:
        self.went_on = threading.Event()
        self.error: BaseException | None = None
        self._pace = pace
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _read(self) -> None:
        try:
            self._pace.before_slice()
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            self.error = error
        self.went_on.set()


def test_a_server_that_works_for_others_all_the_time_is_rested_from_longer(server: Server, tmp_path: Path) -> None:
    with paced(server, tmp_path, nice=1, max_active_sessions=25) as pace:
        _read_slices(pace)
        assert list(pace.waited_seconds) == ["nice"]
    with busy(server, 2), paced(server, tmp_path, nice=1, max_active_sessions=25) as pace:
        _read_slices(pace)
        assert list(pace.waited_seconds) == ["busy_server", "nice"]


def test_an_export_tells_how_much_longer_it_left_a_busy_server_alone(server: Server, tmp_path: Path) -> None:
    name = server.create_database()
    time_type = "timestamp" if isinstance(server, PostgresServer) else "datetime(6)"
    rows = [(number, number, f"2026-11-14 {number % 24:02}:00:00", "1.50") for number in range(300)]
    create_purchases(server.url(name), rows, columns={"purchased_at": f"{time_type} NOT NULL"})
    made = pipeline(server.url(name), tmp_path, export={"read": "slices"}, timezone="UTC", column_timezone="UTC")
    made = made.model_copy(update={"pacing": made.pacing.model_copy(update={"gentle": "primary", "nice": 1})})
    with busy(server, 2):
        manifest = run_export(made).manifest
    server.drop_database(name)
    assert manifest["rows"] == 300
    assert manifest["reading"]["waited_seconds"]["busy_server"] > 0


@pytest.mark.parametrize("state", ["ON", "OFF"])
def test_the_event_scheduler_is_nobody_at_work(
    mysql_family_server: MysqlFamilyServer, tmp_path: Path, state: str
) -> None:
    with mysql_family_server.connect() as connection:
        ((before,),) = _rows(connection, "SELECT @@GLOBAL.event_scheduler")
        _rows(connection, f"SET GLOBAL event_scheduler = {state}")
        try:
            with paced(mysql_family_server, tmp_path, nice=1, max_active_sessions=25) as pace:
                _read_slices(pace)
                assert list(pace.waited_seconds) == ["nice"]
            with _sessions(mysql_family_server) as sessions:
                assert sessions.count() == 0
        finally:
            _rows(connection, f"SET GLOBAL event_scheduler = {before}")


@pytest.mark.parametrize("sees_all", [True, False])
def test_mysqls_threads_that_send_the_log_are_told_from_sessions_at_work(
    mysql_server: MysqlServer, *, sees_all: bool
) -> None:
    """With the right they are counted; without it up to three that never rest are no sign of a busy server."""
    with nobody(mysql_server) as (name, url), mysql_server.connect() as admin, ExitStack() as stack:
        if sees_all:
            _rows(admin, f"GRANT PROCESS ON *.* TO {name}")
        for number in range(2):
            stack.enter_context(_follower(mysql_server, 900 + number))
        with _sessions(mysql_server, url) as sessions:
            _look(sessions)
            assert sessions.mean() == 0.0
            assert sessions.count() == (0 if sees_all else 2)
        with busy(mysql_server, 2), _sessions(mysql_server, url) as sessions:
            _look(sessions)
            assert sessions.count() == (2 if sees_all else 4)
            assert sessions.mean() == (2.0 if sees_all else 1.0)


def test_an_emoji_in_a_statement_of_the_shop_hides_no_session(mysql_server: MysqlServer) -> None:
    """MySQL's information_schema.processlist is an error then (3854)."""
    with mysql_server.connect() as busy, ThreadPoolExecutor(1) as pool, _sessions(mysql_server) as sessions:
        pool.submit(_rows, busy, "SELECT SLEEP(60), '🦆'")
        runs = f"SELECT id FROM performance_schema.processlist WHERE id = {busy.thread_id()} AND info <> ''"
        with mysql_server.connect() as admin:
            _until(lambda: bool(_rows(admin, runs)))
            assert sessions.count() >= 1
            _rows(admin, f"KILL QUERY {busy.thread_id()}")


def _look(sessions: MysqlSessions) -> None:
    for _ in range(3):
        sessions.look()


@contextmanager
def _sessions(server: MysqlFamilyServer, url: str = "") -> Iterator[MysqlSessions]:
    connection = SignalConnection(parse_url(url or server.url()), server.dialect)
    with closing(connection):
        yield MysqlSessions(connection, None, None)


@contextmanager
def _follower(server: MysqlServer, number: int) -> Iterator[None]:
    """A session to which the server sends its log, as to a replica of this number: COM_BINLOG_DUMP."""
    connection = server.connect()
    ((log, *_),) = _rows(connection, "SHOW BINARY LOGS")[-1:]
    _rows(connection, "SET @source_binlog_checksum = 'NONE', @source_heartbeat_period = 1000000000")
    connection._execute_command(0x12, struct.pack("<IHI", 4, 0, number) + str(log).encode())
    with server.connect() as watching:
        _until(lambda: len(_rows(watching, f"{_DUMPS} AND id = {connection.thread_id()}")) == 1)
    try:
        yield
    finally:
        with server.connect() as admin:
            _rows(admin, f"KILL CONNECTION {connection.thread_id()}")
            _until(lambda: not _rows(admin, f"{_DUMPS} AND id = {connection.thread_id()}"))
        connection._force_close()


_DUMPS = "SELECT id FROM information_schema.processlist WHERE command = 'Binlog Dump'"


def _read_slices(pace: Pace) -> None:
    for _ in range(3):
        pace.before_slice()
        pace.after_slice(0.1, 100)
    pace.before_slice()


def test_sessions_over_the_limit_pause_the_reading_until_they_have_ended(server: Server, tmp_path: Path) -> None:
    with paced(server, tmp_path, max_active_sessions=2) as pace:
        pace.before_slice()
        assert not pace.waited_seconds
        time.sleep(NEXT_LOOK_SECONDS)  # the next look is due
        with busy(server, 3), Reader(pace) as reader:
            assert not reader.went_on.wait(A_FEW_LOOKS_SECONDS)
            _cancel_all(server)
        assert reader.error is None
        assert list(pace.waited_seconds) == ["active_sessions"]


def test_idle_sessions_are_no_load(server: Server, tmp_path: Path) -> None:
    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(server.connect())
        with paced(server, tmp_path, max_active_sessions=1) as pace:
            pace.before_slice()
            assert not pace.waited_seconds


def test_critical_load_ends_a_read_that_has_begun(server: Server, tmp_path: Path) -> None:
    with paced(server, tmp_path, max_active_sessions=1, critical_active_sessions=3) as pace:
        pace.before_slice()
        pace.after_slice(0.002, 100)
        time.sleep(NEXT_LOOK_SECONDS)
        with busy(server, 3), pytest.raises(UnavailableError, match="overloaded") as caught:
            pace.before_slice()
        assert "3 " in caught.value.why


def test_without_the_right_to_see_sessions_those_in_a_transaction_are_counted(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with nobody(postgres_server) as (_, url), paced(postgres_server, tmp_path, url=url, max_active_sessions=2) as pace:
        pace.before_slice()
        with busy(postgres_server, 3):
            time.sleep(NEXT_LOOK_SECONDS)
            with Reader(pace) as reader:
                assert not reader.went_on.wait(A_FEW_LOOKS_SECONDS)
                _cancel_all(postgres_server)
        assert reader.error is None
        assert list(pace.waited_seconds) == ["active_sessions"]


@contextmanager
def nobody(server: Server) -> Iterator[tuple[str, str]]:
    """A user without any right but to connect: name and URL."""
    with server.connect() as admin:
        if isinstance(server, PostgresServer):
            _rows(admin, "CREATE USER nobody_special PASSWORD 'a@b:c/%'")
            try:
                yield "nobody_special", server.url(user="nobody_special", password="a@b:c/%")
            finally:
                _rows(admin, "DROP OWNED BY nobody_special; DROP USER nobody_special")
        else:
            _rows(admin, "CREATE USER nobody_special IDENTIFIED BY 'a@b:c/%'")
            try:
                yield "nobody_special", server.url("information_schema", user="nobody_special", password="a@b:c/%")
            finally:
                _rows(admin, "DROP USER nobody_special")


def test_threads_are_told_to_anybody(mysql_family_server: MysqlFamilyServer, tmp_path: Path) -> None:
    server = mysql_family_server
    with nobody(server) as (_, url), paced(server, tmp_path, url=url, max_active_sessions=2) as pace:
        pace.before_slice()
        with busy(server, 3):
            time.sleep(NEXT_LOOK_SECONDS)
            with Reader(pace) as reader:
                assert not reader.went_on.wait(A_FEW_LOOKS_SECONDS)
                _cancel_all(server)
        assert reader.error is None


def test_the_right_to_see_sessions_revoked_on_the_way_paces_and_then_gives_up(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    with postgres_server.connect() as admin, nobody(postgres_server) as (name, url):
        admin.execute(f"GRANT pg_monitor TO {name}")
        with (
            paced(postgres_server, tmp_path, url=url, max_active_sessions=50, max_pause_seconds=1) as pace,
            postgres_server.connect(),  # a session that is hidden from them
        ):
            pace.before_slice()
            admin.execute(f"REVOKE pg_monitor FROM {name}")
            time.sleep(NEXT_LOOK_SECONDS)
            with pytest.raises(UnavailableError, match="max_pause_seconds") as caught:
                pace.before_slice()
            assert "hides what other sessions do" in caught.value.why
            assert list(pace.waited_seconds) == ["unreadable_signal"]


@pytest.fixture
def queue(server: Server) -> Iterator[tuple[Any, str]]:
    """A database with a table `jobs` that only its owner may see, and the database's name."""
    name = server.create_database()
    with server.connect(name) as owner:
        _rows(owner, "CREATE TABLE jobs (id int)")
        yield owner, name
    server.drop_database(name)


def test_a_probe_of_the_users_paces_as_long_as_it_says_so(
    server: Server, queue: tuple[Any, str], tmp_path: Path
) -> None:
    owner, name = queue
    with paced(server, tmp_path, url=server.url(name), probe="SELECT count(*) FROM jobs") as pace:
        pace.before_slice()
        _rows(owner, "INSERT INTO jobs VALUES (1)")
        time.sleep(NEXT_LOOK_SECONDS)
        with Reader(pace) as reader:
            assert not reader.went_on.wait(A_FEW_LOOKS_SECONDS)
            _rows(owner, "DELETE FROM jobs")
        assert reader.error is None
        assert list(pace.waited_seconds) == ["probe"]


def test_a_probe_whose_right_is_revoked_on_the_way_paces_and_then_gives_up(
    server: Server, queue: tuple[Any, str], tmp_path: Path
) -> None:
    owner, name = queue
    with nobody(server) as (user, _):
        _rows(owner, f"GRANT SELECT ON jobs TO {user}")
        url = server.url(name, user=user, password="a@b:c/%")
        with paced(server, tmp_path, url=url, probe="SELECT count(*) FROM jobs", max_pause_seconds=1) as pace:
            pace.before_slice()
            _rows(owner, f"REVOKE SELECT ON jobs FROM {user}")
            time.sleep(NEXT_LOOK_SECONDS)
            with pytest.raises(UnavailableError, match="max_pause_seconds") as caught:
                pace.before_slice()
            assert "pacing.probe can't be read" in caught.value.why
            assert "denied" in caught.value.why


@pytest.mark.parametrize("probe", ["SELECT count(*) FROM no_such_table", "SELECT 1, 2", "DELETE FROM jobs", "nonsense"])
def test_a_probe_that_never_worked_is_told_before_a_row_is_read(
    server: Server, queue: tuple[Any, str], tmp_path: Path, probe: str
) -> None:
    _, name = queue
    with (
        paced(server, tmp_path, url=server.url(name), probe=probe) as pace,
        pytest.raises(InputError, match=r"can't read pacing\.probe"),
    ):
        pace.before_snapshot()


def test_a_probe_that_takes_too_long_is_one_that_can_not_be_read(server: Server, tmp_path: Path) -> None:
    slow = "SELECT SLEEP(60)"
    if isinstance(server, PostgresServer):
        slow = "SELECT 0 FROM pg_sleep(60)"
    elif server.dialect == "mysql":  # whose SLEEP, when it is ended, is no error but 1
        slow = f"SELECT COUNT(*) FROM {', '.join(f'information_schema.collations c{n}' for n in range(5))}"
    with (
        paced(server, tmp_path, probe=slow, max_pause_seconds=1) as pace,
        pytest.raises(UnavailableError, match="max_pause_seconds"),
    ):
        pace.before_snapshot()
    assert list(pace.waited_seconds) == ["unreadable_signal"]


def test_a_server_that_comes_back_lets_reading_go_on(own_postgres: PostgresServer, tmp_path: Path) -> None:
    with paced(own_postgres, tmp_path, max_active_sessions=5) as pace:
        pace.before_slice()
        own_postgres.kill()
        time.sleep(NEXT_LOOK_SECONDS)
        with Reader(pace) as reader:
            assert not reader.went_on.wait(1.0)
            own_postgres.start()
        assert reader.error is None
        assert list(pace.waited_seconds) == ["unreadable_signal"]


def test_lag_that_nobody_can_tell_is_told_at_once(server: Server, tmp_path: Path) -> None:
    with (
        paced(server, tmp_path, max_replica_lag_seconds=5) as pace,
        pytest.raises(InputError, match="can't read replication lag"),
    ):
        pace.before_snapshot()


def test_nothing_is_open_on_the_server_while_reading_is_paused(server: Server, tmp_path: Path) -> None:
    with open_store(f"file://{tmp_path}") as store:
        turn_pause_switch(store, "daily_revenue", paused=True, by="test", now=NOW)
        with paced(server, tmp_path, max_active_sessions=100, probe="SELECT 0") as pace, Reader(pace) as reader:
            with server.connect() as watching:
                _until(lambda: len(_ours(server, watching)) == 1)
                seen = []
                for _ in range(20):
                    seen += _ours(server, watching)
                    time.sleep(0.05)
                # Between BEGIN and the question, or the answer and ROLLBACK, there is a moment; it does not last.
                assert len(seen) == 20
                assert seen.count("idle in transaction") < 5
                _until(lambda: _ours(server, watching) == ["idle"])
            turn_pause_switch(store, "daily_revenue", paused=False, by="test", now=NOW)
        assert reader.error is None
    with server.connect() as watching:
        _until(lambda: _ours(server, watching) == [])


def _ours(server: Server, watching: Any) -> list[str]:
    """What the connections of pacing do: `idle`, `active`, or what they should never do."""
    if isinstance(server, PostgresServer):
        sql = "SELECT state FROM pg_stat_activity WHERE application_name = 'penstock-pacing'"
        return [row[0] for row in _rows(watching, sql)]
    found = _rows(
        watching,
        "SELECT command, (SELECT count(*) FROM information_schema.innodb_trx t WHERE t.trx_mysql_thread_id = p.id) "
        "FROM information_schema.processlist p WHERE id <> CONNECTION_ID() AND db = 'mysql'",
    )
    return [
        "idle in transaction" if transactions else {"Sleep": "idle"}.get(command, "active")
        for command, transactions in found
    ]
