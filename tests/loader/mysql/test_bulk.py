"""Bulk loading into MariaDB: no clamped value passes, no file of this machine is sent, INSERT does without LOCAL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pymysql
import pytest

from loader.mysql.database import MysqlDatabase
from loader.target.row_text import format_rows
from loader.target.sql import Staged
from loader.target.url import parse_database_url
from staging.config.pipeline import LoadConfig
from staging.errors import InputError, IntegrityError
from tests.loader.runs import Make, loader_runs, revenue
from tests.loader.target_fixtures import expected, mysql_family_target
from tests.servers.mysql_family import MysqlFamilyServer

pytestmark = pytest.mark.integration

TABLE = (
    "CREATE TABLE t (k bigint PRIMARY KEY, money decimal(5,2), small smallint, word varchar(3) CHARACTER SET latin1)"
)
COLUMNS = ("k", "money", "small", "word")


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return loader_runs(tmp_path)


@pytest.fixture(params=["LOAD DATA", "INSERT"])
def database(request: pytest.FixtureRequest, mysql_family_database: str) -> Iterator[MysqlDatabase]:
    opened = MysqlDatabase(parse_database_url(mysql_family_database), LoadConfig())
    if request.param == "INSERT":
        opened._local_infile = 0
    yield opened
    opened.close()


def stage(database: MysqlDatabase, row: dict[str, Any]) -> Staged:
    """Give a row straight to the adapter: nothing has looked whether it fits."""
    database.execute(TABLE)
    table = database.find_table(None, "t")
    assert table is not None
    staged = database.create_staged(table, table.columns[:1], table.columns[1:])
    rows = pl.DataFrame({"k": [1], **{name: [row.get(name)] for name in COLUMNS[1:]}})
    database.append_staged(staged, rows, format_rows(rows))
    return staged


@pytest.mark.parametrize(
    "row",
    [
        {"money": "99999.999"},
        {"money": "-1000.00"},
        {"money": "1.005"},
        {"money": "abc"},
        {"money": ""},
        {"small": "32768"},
        {"small": "12x"},
        {"word": "four"},
        {"word": "🦆"},
        {"word": "Ж"},
    ],
    ids=str,
)
def test_a_value_that_the_server_would_change_is_an_error(database: MysqlDatabase, row: dict[str, Any]) -> None:
    with pytest.raises((IntegrityError, InputError)):
        stage(database, row)


def test_a_fraction_that_the_server_rounds_without_a_word_shows_in_the_sum(database: MysqlDatabase) -> None:
    """Measured: no warning. So decimals are never put into integer columns, and what is staged is added up."""
    staged = stage(database, {"small": "1.5"})
    assert database.query(database.sql.count_and_sums(staged.name, ["small"])) == [(1, "2")]


def test_values_that_fit_are_taken(database: MysqlDatabase) -> None:
    staged = stage(database, {"money": "-999.99", "small": "32767", "word": "äöü"})
    assert database.query(f"SELECT * FROM {staged.name}") == [(1, Decimal("-999.99"), 32767, "äöü")]


def test_a_key_that_is_staged_twice_is_an_error(database: MysqlDatabase) -> None:
    staged = stage(database, {})
    rows = pl.DataFrame({"k": [1], "money": ["1"], "small": ["1"], "word": ["a"]})
    with pytest.raises(IntegrityError, match="twice"):
        database.append_staged(staged, rows, format_rows(rows))


def test_the_session_is_strict_read_committed_and_in_utc(database: MysqlDatabase) -> None:
    isolation_name = "tx_isolation" if database.name == "MariaDB" else "transaction_isolation"
    ((mode, isolation, zone),) = database.query(f"SELECT @@sql_mode, @@{isolation_name}, @@time_zone")
    assert "STRICT_ALL_TABLES" in mode
    assert (isolation, zone) == ("READ-COMMITTED", "+00:00")


def test_a_file_that_the_server_asks_for_is_never_sent(mysql_family_database: str, tmp_path: Path) -> None:
    """A server may answer any statement with the wish for a file; PyMySQL would open it."""
    secret = tmp_path / "secret"
    secret.write_text("1\t1\t1\tabc\n", encoding="utf-8")
    database = MysqlDatabase(parse_database_url(mysql_family_database), LoadConfig())
    database.execute(TABLE)
    with pytest.raises(pymysql.err.OperationalError, match="not offered"):
        database._connection.query(f"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE t")
    assert database.query("SELECT COUNT(*) FROM t") == [(0,)]
    database.close()


def test_without_local_infile_rows_go_by_insert(own_mysql_family: MysqlFamilyServer, make: Make) -> None:
    target = mysql_family_target(own_mysql_family.url(own_mysql_family.create_database()))
    target.init(first := make(revenue(range(-500, 3000))))
    target.execute("SET GLOBAL local_infile = 0")
    target.load(first)
    assert target.rows() == expected(first)
    second = make(revenue(range(3100), cents=lambda user: -user), number=2)
    target.load(second)
    assert target.rows() == expected(second)


def test_an_equal_day_is_next_to_nothing_in_the_binary_log(mysql_family_database: str, make: Make) -> None:
    target = mysql_family_target(mysql_family_database)
    target.init(run := make(revenue(range(5000))))
    target.load(run)
    again = make(run.rows, number=2)
    position = target.pick(mariadb="SHOW MASTER STATUS", mysql="SHOW BINARY LOG STATUS")
    ((_, before, *_),) = target.query(position)
    target.load(again)
    ((_, after, *_),) = target.query(position)
    assert 0 < after - before < 8192  # the ledger's row; the 5000 rows alone are 100 kB


def test_the_target_url_is_read_as_sqlalchemy_reads_it(mysql_family_database: str) -> None:
    url = parse_database_url(re.sub(r"^mariadb", "mysql", mysql_family_database))
    database = MysqlDatabase(url, LoadConfig())
    assert database.name == ("MariaDB" if mysql_family_database.startswith("mariadb") else "MySQL")
    database.close()
