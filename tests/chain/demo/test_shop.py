"""The demo shop holds the same rows in every database."""

from __future__ import annotations

import subprocess
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from chain.demo.rows import Shop, make_purchases, make_users
from tests.warm import warm_python

pytestmark = pytest.mark.integration

SHOP = Shop(seed=5, users=70, purchases=51_000)  # more than one batch


def read(url: str, statement: str) -> list[tuple[object, ...]]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement)]
    finally:
        engine.dispose()


@pytest.mark.parametrize(
    ("database", "time"),
    [
        ("sqlite_database", "purchased_at"),
        ("postgres_database", "to_char(purchased_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"),
        ("mariadb_database", "CAST(purchased_at AS CHAR)"),
        ("mysql_database", "CAST(purchased_at AS CHAR)"),
    ],
)
def test_every_database_holds_the_rows_of_the_seed(
    database: str, time: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url: str = request.getfixturevalue(database)
    options = ["--seed", "5", "--users", "70", "--purchases", "51000"]
    for more in ([], ["--replace"]):
        made = subprocess.run(
            [warm_python(), "-m", "chain", "demo-shop", "--url", url, *options, *more],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=False,
        )
        assert made.returncode == 0, made.stderr
    found = read(url, f"SELECT purchase_id, user_id, amount, status, {time} FROM purchases ORDER BY purchase_id")
    expected = make_purchases(SHOP, 0, SHOP.purchases).iter_rows()
    for (number, user, amount, status, at), row in zip(found, expected, strict=True):
        assert (number, user, Decimal(str(amount)), status, str(at)) == (*row[:2], Decimal(row[2]), row[3], str(row[4]))
    users = make_users(SHOP)
    assert read(url, "SELECT user_id, name, country FROM users ORDER BY user_id") == [
        row[:3] for row in users.iter_rows()
    ]
    assert read(url, "SELECT COUNT(*) FROM revenue") == [(0,)]
    assert read(url, "SELECT COUNT(*) FROM penstock_ledger") == [(0,)]
