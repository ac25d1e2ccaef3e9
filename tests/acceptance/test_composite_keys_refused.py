"""What is refused of a key of several columns, by the name of the column, before or while a day is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from staging.config.pipeline import Pipeline
from staging.errors import InputError
from tests.acceptance.oracle import Row
from tests.exporter.days import committed, pipeline, run_export
from tests.shop.composite import DAY, NOON, CompositeShop, purchases
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

KEY = ["shop_id", "user_id"]
KIND = "number and text"
SERVERS = ["sqlite_database", "postgres_database", "mariadb_database", "mysql_database"]
READS = [
    (server, read) for server in SERVERS for read in ("snapshot", "slices") if (server, read) != (SERVERS[0], "slices")
]


@pytest.fixture
def shop(request: pytest.FixtureRequest) -> Callable[[str], CompositeShop]:
    return lambda server: CompositeShop(Database(request.getfixturevalue(server)), KIND)


def ask(shop: CompositeShop, folder: Path, read: str = "auto", **source: Any) -> Pipeline:
    return pipeline(shop.database.url, folder, export={"shards": 3, "read": read}, **{"key": KEY} | source)


def refused(settings: Pipeline, **options: Any) -> InputError:
    with pytest.raises(InputError) as error:
        run_export(settings, **options)
    folder = Path(settings.staging.url.removeprefix("file://"))
    assert not [name for name in committed(folder) if "run-0001" in name or name.endswith(".parquet")]
    return error.value


@pytest.mark.parametrize("how", READS, ids=str)
@pytest.mark.parametrize(
    ("key", "told"),
    [
        ((None, "ada"), ("Column shop_id", "where user_id is 'ada'.")),
        ((7, None), ("Column user_id", "where shop_id is 7.")),
    ],
)
def test_a_null_in_any_column_of_the_key_is_named_by_the_others(
    shop: Any, how: tuple[str, str], key: tuple[Any, ...], told: tuple[str, str], tmp_path: Path
) -> None:
    server, read = how
    made = shop(server)
    rows = purchases(KIND, 60)
    made.create([*rows, Row(key, NOON, rows[0].amount, "paid")], nullable=True)
    error = refused(ask(made, tmp_path, read))
    assert error.what.startswith(told[0])
    assert "is NULL" in error.what
    assert error.what.endswith(told[1])


@pytest.mark.parametrize("server", SERVERS)
def test_a_row_without_a_time_is_named_by_its_whole_key(shop: Any, server: str, tmp_path: Path) -> None:
    made = shop(server)
    made.create(purchases(KIND, 30), nullable=True)
    made.database.execute("INSERT INTO purchases VALUES (900, 'ada ', 3, NULL, 1)")
    error = refused(ask(made, tmp_path))
    assert error.what == "Column purchased_at is NULL, where shop_id is 3 and user_id is 'ada '."


@pytest.mark.parametrize("server", SERVERS)
def test_a_column_that_is_not_there_or_no_key_is_refused_by_name(shop: Any, server: str, tmp_path: Path) -> None:
    made = shop(server)
    made.create(purchases(KIND, 30))
    made.database.execute("ALTER TABLE purchases ADD COLUMN ratio double precision")
    missing = refused(ask(made, tmp_path, key=["shop_id", "userid"]))
    assert missing.what == "Table purchases has no column 'userid'."
    assert "Did you mean 'user_id'?" in missing.fix
    assert "Float64 can't be sharded" in refused(ask(made, tmp_path, key=["shop_id", "ratio"])).what


@pytest.mark.parametrize(
    ("server", "collation"),
    [
        ("sqlite_database", "NOCASE"),
        ("mariadb_database", "utf8mb4_general_ci"),
        ("mysql_database", "utf8mb4_0900_as_cs"),
    ],
)
def test_a_folding_collation_of_any_column_is_refused_by_name(
    shop: Any, server: str, collation: str, tmp_path: Path
) -> None:
    made = shop(server)
    columns = {
        "id": "integer PRIMARY KEY",
        "shop_id": "bigint NOT NULL",
        "user_id": f"varchar(60) COLLATE {collation} NOT NULL",
        "purchased_at": "timestamp NOT NULL",
        "amount": "decimal(12,2) NOT NULL",
    }
    create_purchases(made.database, columns=columns, index=False)
    for key in (KEY, KEY[::-1]):
        assert refused(ask(made, tmp_path, key=key)).what == f"Key user_id has the collation {collation}."


def test_in_sqlite_a_value_of_another_kind_is_named_by_the_whole_key(shop: Any, tmp_path: Path) -> None:
    made = shop("sqlite_database")
    made.create(rows := purchases(KIND, 30))
    made.insert([replace(rows[0], key=("seven", "ada"), at=NOON)], first_id=900)
    error = refused(ask(made, tmp_path))
    assert error.what == "Column shop_id (bigint) holds text 'seven', where shop_id is 'seven' and user_id is 'ada'."


def test_an_export_by_one_column_is_not_used_for_a_key_of_two(shop: Any, tmp_path: Path) -> None:
    made = shop("sqlite_database")
    made.create(purchases(KIND, 60))
    run_export(ask(made, tmp_path, key="user_id", columns=["shop_id", "amount"]))
    with pytest.raises(InputError, match="made with other settings") as error:
        run_export(ask(made, tmp_path), run_id="run-0002")
    assert "source.key was user_id and is shop_id, user_id" in error.value.why
    assert "source.columns was shop_id, amount and is amount" in error.value.why
    fresh = run_export(ask(made, tmp_path), run_id="run-0003", fresh_export=True)
    again = run_export(ask(made, tmp_path), run_id="run-0004")
    assert fresh.manifest["export_id"] == again.manifest["export_id"]


@pytest.mark.parametrize("server", ["postgres_database", "mariadb_database", "mysql_database"])
def test_another_type_of_a_column_of_the_key_is_drift(shop: Any, server: str, tmp_path: Path) -> None:
    made = shop(server)
    made.create([replace(row, key=(1, row.key[1])) for row in purchases(KIND, 60)])
    run_export(ask(made, tmp_path))
    change = "ALTER COLUMN shop_id TYPE integer" if server == "postgres_database" else "MODIFY shop_id integer NOT NULL"
    made.database.execute(f"ALTER TABLE purchases {change}")
    with pytest.raises(InputError, match="has other columns than when") as error:
        run_export(ask(made, tmp_path), run_id="run-0002", fresh_export=True)
    assert "shop_id was" in error.value.why
    assert DAY.day.isoformat() in error.value.what
