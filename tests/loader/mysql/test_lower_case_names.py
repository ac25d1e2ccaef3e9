"""A MySQL that keeps names in lower case: target and ledger are found in any spelling."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loader.runs import loader_runs, revenue
from tests.loader.target_fixtures import LoaderTarget, expected
from tests.servers.mysql import MysqlServer

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def lower_case_server() -> Iterator[MysqlServer]:
    server = MysqlServer(at_first=("--lower-case-table-names=1",))
    server.start()
    yield server
    server.close()


@pytest.mark.parametrize("spelled", ["revenue", "Revenue"])
def test_a_day_is_created_loaded_and_replaced_in_any_spelling(
    mysql_server: MysqlServer, lower_case_server: MysqlServer, tmp_path: Path, spelled: str
) -> None:
    del mysql_server  # so that a machine without MySQL skips
    make = loader_runs(tmp_path)
    name = lower_case_server.create_database()
    target = LoaderTarget("mysql", lower_case_server.url(name.upper()), table=spelled)
    target.init(first := make(revenue(range(50))))
    target.load(first)
    assert target.rows() == expected(first)
    assert target.query("SHOW TABLES") == [("penstock_ledger",), ("revenue",)]
    # Spelled in another way, it is the same day of the same table: nobody else's, and replaced.
    again = LoaderTarget("mysql", lower_case_server.url(name), table="REVENUE")
    again.load(second := make(revenue(range(10, 80), cents=lambda user: -user), number=2))
    assert target.rows() == expected(second)
    assert target.query("SELECT COUNT(*) FROM penstock_ledger") == [(1,)]
    lower_case_server.drop_database(name)
