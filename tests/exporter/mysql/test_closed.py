"""Which rights show that no transaction may yet write rows of a day, and what is said where they are missing: MySQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pymysql
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import URL

from exporter.mysql.closed import find_closed
from exporter.mysql.session import MysqlSession
from exporter.port.sliced_source import Closed, SliceLostError
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
