"""An answer that was ended early is an error, also where the server only warns of it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pymysql
import pytest
import sqlalchemy as sa

from databases.mysql.session import TLS_SQL, is_mariadb, open_session
from databases.mysql.url import driver_arguments
from exporter.mysql.connection import MysqlConnection
from staging.errors import UnavailableError

pytestmark = pytest.mark.integration

_ENDED_EARLY = {"mariadb": [1317, 1969, 1028], "mysql": [1317, 3024]}
"""What a server writes into a warning where it ended a statement: by hand, after its time, while it sorted."""


@pytest.fixture
def connection(mysql_family_database: str) -> Iterator[Any]:
    with closing(_open(mysql_family_database)) as connection:
        yield connection


def _open(url: str) -> Any:
    return open_session(driver_arguments(sa.make_url(url)), {})


def _rows_of(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def _warn_of(number: int) -> str:
    return f"SIGNAL SQLSTATE '01000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = 'ended early'"


@pytest.mark.fault("cut", step="export")
def test_an_answer_with_a_warning_that_it_was_ended_early_is_an_error(connection: Any) -> None:
    name = "mariadb" if is_mariadb(connection) else "mysql"
    for number in _ENDED_EARLY[name]:
        with pytest.raises(pymysql.err.OperationalError, match="ended early") as caught:
            _rows_of(connection, _warn_of(number))
        assert caught.value.args[0] == number


@pytest.mark.fault("cut", step="export")
def test_a_stream_with_a_warning_that_it_was_ended_early_is_an_error_at_its_end(mysql_family_database: str) -> None:
    connection = MysqlConnection(sa.make_url(mysql_family_database))
    try:
        with pytest.raises(UnavailableError, match="ended early"):
            list(connection.stream(_warn_of(1317), "read"))
    finally:
        connection.close()


def test_other_warnings_leave_the_answer_as_it_is(connection: Any) -> None:
    assert _rows_of(connection, "SELECT CAST('12abc' AS SIGNED)") == [(12,)]
    assert _rows_of(connection, "SHOW WARNINGS")[0][1] == 1292


@pytest.mark.parametrize("options", [{}, {"ssl_mode": "REQUIRED"}])
def test_no_list_of_authorities_is_read_where_none_is_asked_for(
    mysql_database: str, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the machine's authorities were read")

    url = sa.make_url(mysql_database).update_query_dict(options)
    with monkeypatch.context() as patched:
        patched.setattr(ssl.SSLContext, "load_default_certs", refuse)
        opened = open_session(driver_arguments(url), {})
    with closing(opened) as connection:
        assert _rows_of(connection, TLS_SQL)[0][1].startswith("TLS")
