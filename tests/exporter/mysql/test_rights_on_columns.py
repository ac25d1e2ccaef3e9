"""An account that may read some columns of a table alone: a snapshot reads them, and slices are refused by name."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from exporter.inspect.doctor import SourceLook, examine_source
from staging.errors import InputError
from tests.exporter.days import DAY, NOW, pipeline, run_export
from tests.exporter.sliced_reads import calm
from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.server import PASSWORD
from tests.shop.purchases import create_purchases

pytestmark = pytest.mark.integration

ROWS = [(n, n % 4, f"2026-11-14 {n:02}:00", f"{n}.25") for n in range(20)]


@pytest.fixture(params=["id, user_id, purchased_at, amount", "user_id, purchased_at, amount"])
def url(
    request: pytest.FixtureRequest, mysql_family_server: MysqlFamilyServer, mysql_family_database: str
) -> Iterator[str]:
    """Of the account; the second may not read the primary key."""
    columns = {"purchased_at": "datetime NOT NULL", "secret": "int"}
    create_purchases(mysql_family_database, [(*row, 1) for row in ROWS], columns=columns)
    name, user = mysql_family_database.rpartition("/")[2], f"some_{secrets.token_hex(4)}"
    mysql_family_server.execute(f"CREATE USER {user}@'%' IDENTIFIED BY '{PASSWORD}'")
    mysql_family_server.execute(f"GRANT SELECT ({request.param}) ON {name}.purchases TO {user}@'%'")
    yield mysql_family_server.url(name, user=user)
    mysql_family_server.execute(f"DROP USER {user}@'%'")


@pytest.mark.parametrize("read", ["snapshot", "auto"])
def test_its_columns_are_read_in_a_snapshot(url: str, tmp_path: Path, read: str) -> None:
    made = run_export(calm(pipeline(url, tmp_path, export={"read": read})))
    assert sorted((row["user_id"], row["amount"]) for row in made.rows()) == sorted(
        (user, Decimal(amount)) for _, user, _, amount in ROWS
    )


def test_slices_are_refused_with_the_right_that_they_take(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="GRANT SELECT ON the whole table"):
        run_export(calm(pipeline(url, tmp_path, export={"read": "slices"})))


def test_doctor_says_so_beforehand(url: str, tmp_path: Path) -> None:
    found = examine_source(pipeline(url, tmp_path), DAY, SourceLook(), lambda: NOW)
    assert [each.level for each in found if "GRANT SELECT ON the whole table" in each.text] == ["warning"]
