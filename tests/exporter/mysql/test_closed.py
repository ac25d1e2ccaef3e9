"""Which rights show that no transaction may yet write rows of a day, and what is said where they are missing: MySQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pymysql
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from exporter.mysql.closed import find_closed
from exporter.mysql.session import MysqlSession
from exporter.port.sliced_source import Closed, SliceLostError
from staging.errors import InputError, PenstockError
from tests.shop.purchases import create_purchases

pytestmark = pytest.mark.integration

END = datetime(2026, 11, 15, tzinfo=UTC)


@pytest.fixture
def prepared(mysql_database: str) -> Iterator[Any]:
    """A cursor with all rights, while somebody has prepared a transaction and gone."""
    create_purchases(mysql_database)
    url = sa.make_url(mysql_database)
    options = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    with closing(pymysql.connect(**options, database=url.database, autocommit=True)) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE USER few IDENTIFIED BY 'x'")
        cursor.execute("GRANT SELECT ON *.* TO few")
        with closing(pymysql.connect(**options, database=url.database)) as gone, gone.cursor() as other:
            for statement in (
                "XA START 'left'",
                "INSERT INTO purchases VALUES (1, 1, '2026-11-14 12:00', 1)",
                "XA END 'left'",
                "XA PREPARE 'left'",
            ):
                other.execute(statement)
        try:
            yield cursor
        finally:
            cursor.execute("XA ROLLBACK 'left'")
            cursor.execute("DROP USER few")


class _Cut(MysqlSession):
    """A session whose look at the transactions is ended by somebody, and with it the session."""

    def run(self, sql: str, doing: str) -> Any:
        if "innodb_trx" in sql:
            self.close()
            raise SliceLostError("The server could not say whether the day is over.", why="Somebody killed it.")
        return super().run(sql, doing)


def test_what_ended_a_look_is_said_and_not_that_its_session_is_gone(mysql_database: str) -> None:
    with closing(_Cut(sa.make_url(mysql_database))) as session, pytest.raises(SliceLostError) as caught:
        find_closed(session, END, 900)
    assert caught.value.why == "Somebody killed it."


def test_a_session_that_was_ended_says_by_what_whatever_is_asked_of_it_next(mysql_database: str) -> None:
    with closing(MysqlSession(sa.make_url(mysql_database))) as session:
        with closing(MysqlSession(sa.make_url(mysql_database))) as other:
            other.run(f"KILL {session.connection_id}", "kill")
        reasons = []
        for _ in range(2):
            with pytest.raises(SliceLostError) as caught:
                session.run("SELECT 1", "answer")
            reasons.append(caught.value.why)
        assert reasons[0] == reasons[1]
        assert "(0, '')" not in reasons[0]
        session.reconnect()
        assert session.run("SELECT 1", "answer") == [(1,)]


def _look(url: URL) -> Closed:
    with closing(MysqlSession(url.set(username="few", password="x"))) as session:
        return find_closed(session, END, 900)


def test_what_an_account_may_not_see_of_transactions_is_said_and_granted(mysql_database: str, prepared: Any) -> None:
    url = sa.make_url(mysql_database)
    blind = _look(url)
    assert blind.is_weak
    assert "open transactions are not seen, nor are prepared ones" in blind.how
    assert blind.grant.startswith("GRANT PROCESS ON *.* TO ")
    prepared.execute("GRANT PROCESS ON *.* TO few")
    half = _look(url)
    assert not half.is_weak
    assert not half.is_closed
    assert "without a session" in half.why_not
    prepared.execute("GRANT XA_RECOVER_ADMIN ON *.* TO few")
    seeing = _look(url)
    assert not seeing.is_weak
    assert not seeing.is_closed
    assert "'left' (XA RECOVER)" in seeing.why_not


@contextmanager
def _duck(url: str, seconds: float) -> Iterator[None]:
    """Run a statement with a character of four bytes in an old transaction, for so long or until the block ends."""
    with closing(MysqlSession(sa.make_url(url))) as busy, closing(MysqlSession(sa.make_url(url))) as other:
        busy.run("START TRANSACTION WITH CONSISTENT SNAPSHOT", "begin")
        runs = f"SELECT COUNT(*) FROM performance_schema.processlist WHERE id = {busy.connection_id} AND info <> ''"
        with ThreadPoolExecutor(1) as pool:
            sleeping = pool.submit(busy.run, f"SELECT SLEEP({seconds}), '🦆' FROM purchases", "sleep")
            deadline = time.monotonic() + 30
            while other.run(runs, "look") != [(1,)]:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield
            with suppress(PenstockError):
                other.run(f"KILL QUERY {busy.connection_id}", "end it")
            with suppress(PenstockError):
                sleeping.result()


def test_transactions_are_listed_as_soon_as_none_runs_a_statement_with_an_emoji(mysql_database: str) -> None:
    """MySQL lists none at all as long as one does: error 3854."""
    create_purchases(mysql_database, [(1, 1, datetime(2026, 11, 14, 12, tzinfo=UTC), Decimal(1))])
    with closing(MysqlSession(sa.make_url(mysql_database))) as session:
        with _duck(mysql_database, 1):
            with pytest.raises(InputError) as caught:
                session.run("SELECT * FROM information_schema.innodb_trx", "list")
            assert "3854" in caught.value.why
            seen = find_closed(session, datetime.now(UTC) + timedelta(hours=1), 0)
        assert not seen.is_weak
        assert "no transaction from before is open" in seen.how


def test_where_one_runs_all_the_time_they_count_as_not_seen_and_no_right_is_asked_for(
    mysql_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_purchases(mysql_database, [(1, 1, datetime(2026, 11, 14, 12, tzinfo=UTC), Decimal(1))])
    monkeypatch.setattr("exporter.mysql.closed._MOST_LOOKS", 3)
    with closing(MysqlSession(sa.make_url(mysql_database))) as session, _duck(mysql_database, 60):
        blind = find_closed(session, END, 900)
    assert blind.is_weak
    assert "open transactions are not seen (MySQL lists none while one runs" in blind.how
    assert blind.grant == ""
