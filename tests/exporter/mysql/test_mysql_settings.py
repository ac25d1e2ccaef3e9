"""A MySQL that is set up in ways of its own: hidden primary keys, names of tables in lower case."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exporter.days import pipeline, run_export
from tests.exporter.sliced_reads import calm
from tests.servers.mysql import MysqlServer
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

ROWS_OF_DAY = 288


def _fill(database: Database, table: str) -> None:
    database.execute(
        f"INSERT INTO {table} (user_id, purchased_at, amount) "
        "SELECT seq, '2026-11-13' + INTERVAL seq * 5 MINUTE, 1 FROM seq_0_to_999"
    )
    database.execute(f"ANALYZE TABLE {table}")


@pytest.mark.parametrize("read", ["snapshot", "slices"])
@pytest.mark.parametrize("is_shown", ["ON", "OFF"])
def test_a_table_with_a_primary_key_that_the_server_made_is_read(
    mysql_database: str, tmp_path: Path, is_shown: str, read: str
) -> None:
    database = Database(mysql_database)
    shown = "show_gipk_in_create_table_and_information_schema"
    database.execute("SET GLOBAL sql_generate_invisible_primary_key = ON")
    database.execute(f"SET GLOBAL {shown} = {is_shown}")
    try:
        create_purchases(database, columns={"id": None, "purchased_at": "datetime(6) NOT NULL"})
        assert database.execute("SELECT COUNT(my_row_id) FROM purchases") == [(0,)]
        _fill(database, "purchases")
        made = pipeline(mysql_database, tmp_path, export={"read": read}, timezone="UTC")
        assert run_export(calm(made)).manifest["rows"] == ROWS_OF_DAY
    finally:
        database.execute("SET GLOBAL sql_generate_invisible_primary_key = OFF")
        database.execute(f"SET GLOBAL {shown} = ON")


@pytest.fixture(scope="module")
def lower_case_server() -> Iterator[MysqlServer]:
    server = MysqlServer(at_first=("--lower-case-table-names=1",))
    server.start()
    yield server
    server.close()


@pytest.mark.parametrize("read", ["snapshot", "slices"])
@pytest.mark.parametrize("spelled", ["purchases", "Purchases", "PURCHASES"])
def test_a_table_is_found_in_any_spelling_where_the_server_keeps_names_in_lower_case(
    mysql_server: MysqlServer, lower_case_server: MysqlServer, tmp_path: Path, spelled: str, read: str
) -> None:
    del mysql_server  # so that a machine without MySQL skips
    name = lower_case_server.create_database()
    database = Database(lower_case_server.url(name.upper()))
    database.execute(
        "CREATE TABLE PurChases (user_id bigint NOT NULL, purchased_at datetime(6) NOT NULL, "
        "amount decimal(12,2) NOT NULL, KEY (purchased_at))"
    )
    _fill(database, "purchases")
    made = pipeline(database.url, tmp_path, export={"read": read}, timezone="UTC", table=spelled)
    assert run_export(calm(made)).manifest["rows"] == ROWS_OF_DAY
    lower_case_server.drop_database(name)
