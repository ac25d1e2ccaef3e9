"""What breaks while a day is read in slices of a real MariaDB and MySQL: a right export or the error that names it."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymysql
import pytest
import sqlalchemy as sa

from exporter.port.sliced_source import StartOverError
from staging.errors import InputError, UnavailableError
from tests.exporter.days import committed, run_export
from tests.exporter.killed_slices import kill_and_run_again
from tests.exporter.sliced_reads import Before, sliced_pipeline
from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.tcp_cut import cut_line_at_byte
from tests.shop.mysql_words import in_words_of
from tests.shop.purchases import create_purchases

pytestmark = pytest.mark.integration

ROWS = 3000
AMOUNT = "4498500.00"


_LONGEST_WAIT = {
    "mariadb": "SELECT COALESCE(MAX(time_ms), 0) / 1000 FROM information_schema.processlist "
    "WHERE db = DATABASE() AND state = 'Waiting for table metadata lock'",
    "mysql": "SELECT COALESCE(MAX(timer_wait), 0) / 1e12 FROM performance_schema.events_statements_current "
    "JOIN performance_schema.threads USING (thread_id) "
    "WHERE processlist_db = DATABASE() AND processlist_state = 'Waiting for table metadata lock'",
}
"""How many seconds a session of this database has waited for a table."""


@contextmanager
def _other(url: str) -> Iterator[Callable[[str], list[Any]]]:
    parts = sa.make_url(url)
    connection = pymysql.connect(
        host=parts.host or "",
        port=parts.port or 0,
        user=parts.username,
        password=parts.password or "",
        database=parts.database,
        autocommit=True,
    )

    def do(sql: str) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(in_words_of(connection.get_server_info(), sql))
            return list(cursor.fetchall())

    try:
        yield do
    finally:
        connection.close()


def _create(url: str) -> None:
    made = create_purchases(url, columns={"purchased_at": "datetime(6) NOT NULL"})
    made.execute(
        "INSERT INTO purchases SELECT seq, seq MOD 50, '2026-11-13 23:00' + INTERVAL seq * 28 SECOND, seq "
        f"FROM seq_0_to_{ROWS - 1}"
    )
    made.execute("ANALYZE TABLE purchases")


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.read.again._FIRST_WAIT_SECONDS", 0.1)


@pytest.fixture
def shop(mysql_family_database: str) -> str:
    _create(mysql_family_database)
    return mysql_family_database


def _end_ours(url: str, connection_id: int) -> None:
    with _other(url) as do:
        do(f"KILL CONNECTION {connection_id}")


def _check_right(manifest: dict[str, Any]) -> None:
    assert (manifest["rows"], manifest["sums"]) == (ROWS, {"amount": AMOUNT})


@pytest.mark.fault("cut", step="export")
def test_a_connection_that_is_ended_is_made_again_and_the_slice_read_again(shop: str, tmp_path: Path) -> None:
    before = Before(lambda: _end_ours(shop, before.current.connection_id), 2)
    manifest = run_export(sliced_pipeline(shop, tmp_path), opener=before).manifest
    _check_right(manifest)
    assert manifest["source"]["evidence"]["slices_repeated"] == "1"
    assert before.reads == 1


@pytest.mark.fault("cut", step="export")
def test_a_connection_that_is_ended_again_and_again_is_given_up(shop: str, tmp_path: Path) -> None:
    before = Before(lambda: _end_ours(shop, before.current.connection_id), *range(2, 20))
    with pytest.raises(UnavailableError):
        run_export(sliced_pipeline(shop, tmp_path), opener=before)
    assert committed(tmp_path) == []


def _through(url: str, port: int) -> str:
    return sa.make_url(url).set(port=port).render_as_string(hide_password=False)


def _cut_somewhere(shop: str, folder: Path, seed: int, total_bytes: int) -> bool:
    """Export over a line that is cut; return whether it came through."""
    port = sa.make_url(shop).port
    assert port is not None
    with cut_line_at_byte(port, random.Random(seed).randrange(1, total_bytes)) as line:
        line.arm()
        try:
            _check_right(run_export(sliced_pipeline(_through(shop, line.port), folder)).manifest)
        except (UnavailableError, InputError):
            assert committed(folder) == []
            return False
        assert line.cuts == 1
    return True


def _answered_bytes(shop: str, folder: Path) -> int:
    """How many bytes the server sends for a whole export."""
    port, most = sa.make_url(shop).port, 10**9
    assert port is not None
    with cut_line_at_byte(port, most) as line:
        line.arm()
        run_export(sliced_pipeline(_through(shop, line.port), folder))
        return most - line.bytes_left


def _cut_anywhere(shop: str, folder: Path, seeds: range) -> None:
    total = _answered_bytes(shop, folder / "whole")
    came_through = [_cut_somewhere(shop, folder / str(seed), seed, total) for seed in seeds]
    assert any(came_through)


@pytest.mark.fault("cut", step="export")
def test_a_line_cut_at_any_byte_gives_a_right_export_or_none(shop: str, tmp_path: Path) -> None:
    _cut_anywhere(shop, tmp_path, range(5))


@pytest.mark.nightly
@pytest.mark.fault("cut", step="export")
def test_a_line_cut_at_any_of_twenty_bytes_gives_a_right_export_or_none(shop: str, tmp_path: Path) -> None:
    _cut_anywhere(shop, tmp_path, range(20))


@pytest.mark.fault("server down", step="export")
def test_a_server_that_was_restarted_makes_the_read_start_over(
    own_mysql_family: MysqlFamilyServer, tmp_path: Path
) -> None:
    url = own_mysql_family.url(own_mysql_family.create_database())
    _create(url)
    time.sleep(3)  # so that the new uptime is shorter beyond doubt

    def restart() -> None:
        own_mysql_family.kill()
        own_mysql_family.start()

    before = Before(restart, 3)
    _check_right(run_export(sliced_pipeline(url, tmp_path), opener=before).manifest)
    assert before.reads == 2


@pytest.mark.fault("locked", step="export")
def test_a_slice_does_not_wait_long_behind_an_alter(shop: str, tmp_path: Path) -> None:
    """It gives up its place in the queue after a second, and comes again."""
    longest = 0.0
    done = threading.Event()

    def alter() -> None:
        held = threading.Event()

        def hold() -> None:
            with _other(shop) as do:
                do("LOCK TABLES purchases WRITE")
                held.set()
                time.sleep(2.5)

        def watch() -> None:
            nonlocal longest
            with _other(shop) as do:
                while not done.wait(0.05):
                    ((seconds,),) = do(_LONGEST_WAIT[sa.make_url(shop).get_backend_name()])
                    longest = max(longest, float(seconds))

        for work in (hold, watch):
            threading.Thread(target=work, daemon=True).start()
        held.wait(10)

    before = Before(alter, 2)
    manifest = run_export(sliced_pipeline(shop, tmp_path), opener=before).manifest
    done.set()
    _check_right(manifest)
    assert int(manifest["source"]["evidence"]["slices_repeated"]) >= 1
    assert 0.0 < longest < 2.0
    assert before.reads == 1


@pytest.mark.fault("locked", step="export")
def test_a_lock_that_is_never_given_back_is_an_error_that_says_so(shop: str, tmp_path: Path) -> None:
    with _other(shop) as do:
        before = Before(lambda: do("LOCK TABLES purchases WRITE"), 2)
        with pytest.raises(UnavailableError) as caught:
            run_export(sliced_pipeline(shop, tmp_path), opener=before)
    assert "Lock wait timeout" in caught.value.why
    assert committed(tmp_path) == []


def test_a_right_that_is_taken_away_is_named(shop: str, tmp_path: Path) -> None:
    with _other(shop) as do:
        ((database,),) = do("SELECT DATABASE()")
        user = f"reader_{database}"[:32]
        do(f"CREATE USER '{user}'@'%' IDENTIFIED BY 'x'")
        do(f"GRANT SELECT ON purchases TO '{user}'@'%'")
        try:
            url = sa.make_url(shop).set(username=user, password="x").render_as_string(hide_password=False)
            before = Before(lambda: do(f"REVOKE SELECT ON purchases FROM '{user}'@'%'"), 2)
            with pytest.raises(InputError) as caught:
                run_export(sliced_pipeline(url, tmp_path), opener=before)
        finally:
            do(f"DROP USER '{user}'@'%'")
    assert "GRANT SELECT" in caught.value.fix
    assert committed(tmp_path) == []


@pytest.mark.fault("cut", step="export")
def test_a_kill_by_people_of_every_statement_ends_in_a_right_export_or_the_error(shop: str, tmp_path: Path) -> None:
    done = threading.Event()

    def kill_all() -> None:
        with _other(shop) as do:
            ((database,),) = do("SELECT DATABASE()")
            while not done.wait(0.003):
                for (number,) in do(
                    f"SELECT id FROM information_schema.processlist WHERE db = '{database}' AND command = 'Query' "
                    "AND id <> CONNECTION_ID()"
                ):
                    try:
                        do(f"KILL QUERY {number}")
                    except pymysql.Error:
                        continue  # it was through

    killer = threading.Thread(target=kill_all, daemon=True)
    killer.start()
    try:
        _check_right(run_export(sliced_pipeline(shop, tmp_path)).manifest)
    except UnavailableError as error:
        # Either outcome is right; one that was ended in vain three times says what it saw instead.
        assert "interrupted" in error.why or isinstance(error, StartOverError), (error, error.why)  # noqa: PT017
        assert committed(tmp_path) == []
    finally:
        done.set()
        killer.join()


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in (2, 3))])
@pytest.mark.fault("killed", step="export")
def test_a_kill_at_any_moment_leaves_no_query_and_the_same_run_goes_on(shop: str, tmp_path: Path, seed: int) -> None:
    with _other(shop) as do:
        ours = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
        export = kill_and_run_again(shop, tmp_path, seed, lambda: int(do(ours)[0][0]))
    _check_right(export.manifest)
