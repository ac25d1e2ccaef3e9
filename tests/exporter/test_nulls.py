"""NULLs in columns that have exact sums: refused by default, carried where the pipeline says that they are meant."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from staging.errors import InputError
from tests.exporter.days import DAY, pipeline, run_export
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

SERVERS = [
    ("postgres_database", "snapshot"),
    ("postgres_database", "slices"),
    ("mariadb_database", "snapshot"),
    ("mariadb_database", "slices"),
    ("mysql_database", "snapshot"),
    ("mysql_database", "slices"),
    ("sqlite_database", "snapshot"),
]
ROWS = [(n, None if n % 3 else n, None if n % 4 == 0 else f"{n}.25") for n in range(60)]


@pytest.fixture(params=SERVERS, ids=[" ".join(each) for each in SERVERS])
def shop(request: pytest.FixtureRequest) -> tuple[Database, str]:
    server, read = request.param
    database = Database(request.getfixturevalue(server))
    database.execute(
        "CREATE TABLE purchases (user_id bigint NOT NULL, purchased_at timestamp NOT NULL, coupon bigint, "
        "amount decimal(10,2))"
    )
    database.execute("CREATE INDEX by_time ON purchases (purchased_at)")
    mark = "?" if database.dialect == "sqlite" else "%s"
    rows: list[tuple[Any, ...]] = [(n, f"{DAY} 12:00:{n:02}", coupon, amount) for n, coupon, amount in ROWS]
    database.execute(f"INSERT INTO purchases VALUES ({', '.join([mark] * 4)})", rows)
    return database, read


def test_a_null_that_is_allowed_is_carried_and_counts_as_nothing_in_the_sum(
    shop: tuple[Database, str], tmp_path: Path
) -> None:
    database, read = shop
    settings = pipeline(
        database.url,
        tmp_path,
        export={"read": read, "shards": 3},
        columns=["coupon", "amount"],
        allow_null=["amount", "coupon"],
    )
    export = run_export(settings)
    found = {row["user_id"]: (row["coupon"], row["amount"]) for row in export.rows()}
    assert found == {n: (coupon, amount and Decimal(amount)) for n, coupon, amount in ROWS}
    sums = {name: Decimal(text) for name, text in export.manifest["sums"].items()}
    assert sums == {
        "coupon": sum(coupon for _, coupon, _ in ROWS if coupon is not None),
        "amount": sum(Decimal(amount) for _, _, amount in ROWS if amount is not None),
    }
    assert {column["name"]: column["nullable"] for column in export.manifest["columns"]} == {
        "user_id": False,
        "purchased_at": False,
        "coupon": True,
        "amount": True,
    }


def test_one_that_is_not_allowed_ends_the_export_and_says_how_to_allow_it(
    shop: tuple[Database, str], tmp_path: Path
) -> None:
    database, read = shop
    settings = pipeline(
        database.url, tmp_path, export={"read": read}, columns=["coupon", "amount"], allow_null=["amount"]
    )
    with pytest.raises(InputError, match=r"Column coupon .* is NULL, where user_id is") as caught:
        run_export(settings)
    assert "source.allow_null" in caught.value.fix


def test_only_carried_columns_can_be_allowed() -> None:
    with pytest.raises(ValueError, match="allow_null names user_id"):
        pipeline("sqlite:///x", Path("/x"), allow_null=["user_id"])
