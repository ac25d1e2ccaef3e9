"""init creates what is missing, says the DDL, and never alters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from loader.init import init_target
from staging.errors import InputError
from tests.loader.runs import LoaderRun, revenue
from tests.loader.target_fixtures import LoaderTarget, expected

pytestmark = pytest.mark.integration

Make = Callable[..., LoaderRun]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    folder = tmp_path / "staging"
    folder.mkdir()
    return lambda rows=(), **options: LoaderRun(folder, list(rows), **options).write()


def tables(target: LoaderTarget) -> list[Any]:
    listed = target.pick(
        sqlite="SELECT name FROM sqlite_master WHERE type = 'table'",
        postgres="SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
        mariadb="SHOW TABLES",
    )
    return sorted(row[0] for row in target.query(listed))


def test_it_creates_target_and_ledger_and_says_the_ddl(target: LoaderTarget, make: Make) -> None:
    statements = target.init(make())
    assert tables(target) == ["penstock_ledger", "revenue"]
    assert [statement.split("(")[0].split()[:2] for statement in statements] == [["CREATE", "TABLE"]] * 2
    assert "PRIMARY KEY" in statements[0]
    assert target.init(make()) == []


def test_the_columns_stand_as_documented(target: LoaderTarget, make: Make) -> None:
    target.init(make())
    with target.cursor() as cursor:
        cursor.execute("SELECT * FROM revenue")
        assert [column[0] for column in cursor.description] == ["user_id", "day", "revenue", "purchases"]


def test_a_dry_run_creates_nothing_not_even_a_file(target: LoaderTarget, make: Make) -> None:
    assert len(target.init(make(), apply=False)) == 2
    if target.kind == "sqlite":
        assert not Path(target.url.removeprefix("sqlite:///")).exists()
    else:
        assert tables(target) == []


def test_the_ddl_it_says_is_the_ddl_that_works(target: LoaderTarget, make: Make) -> None:
    target.table = "100 % of it"
    statements = target.init(run := make(revenue(range(3))), apply=False)
    target.execute(*statements)
    assert target.init(run) == []
    target.load(run)
    assert target.rows() == expected(run)


def test_a_table_that_is_there_stays_as_it_is(target: LoaderTarget, make: Make) -> None:
    target.execute("CREATE TABLE revenue (something varchar(7))")
    (statement,) = target.init(make())
    assert "penstock_ledger" in statement
    with target.cursor() as cursor:
        cursor.execute("SELECT * FROM revenue")
        assert [column[0] for column in cursor.description] == ["something"]


def test_another_table_of_the_ledgers_name_is_refused(target: LoaderTarget, make: Make) -> None:
    target.execute("CREATE TABLE penstock_ledger (target_table varchar(40) PRIMARY KEY, fence integer)")
    for apply in (True, False):
        with pytest.raises(InputError) as refused:
            target.init(make(), apply=apply)
        assert tables(target) == ["penstock_ledger"]
        assert "penstock_ledger can't be the ledger." in refused.value.what
        assert "it lacks target_schema, day" in refused.value.why


def test_an_output_that_can_not_become_a_table_is_refused(sqlite_database: str, make: Make) -> None:
    target = LoaderTarget("sqlite", sqlite_database)
    pipeline = target.pipeline(make())
    for schema in (
        {"user_id": pl.Int64(), "day": pl.Date()},
        {"user_id": pl.Int64(), "Day": pl.Date()},
        {"other": pl.Int64()},
        {"user_id": pl.Int64(), "list": pl.List(pl.Int64())},
    ):
        with pytest.raises(InputError):
            init_target(pipeline, pl.Schema(schema), ("user_id",), apply=True)


def test_without_the_right_to_create_it_is_told(
    postgres_database: str, make: Make, request: pytest.FixtureRequest
) -> None:
    target = LoaderTarget("postgres", postgres_database)
    database = postgres_database.rsplit("/", 1)[1]
    name = f"poor_{database[-6:]}"
    target.execute(f"CREATE USER {name} PASSWORD 'canary'", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    request.addfinalizer(lambda: target.execute(f"DROP USER {name}"))
    server = request.getfixturevalue("postgres_server")
    target.url, admin = server.url(database, user=name, password="canary"), target.url
    with pytest.raises(InputError, match="lacks a right"):
        target.init(make())
    target.url = admin
    assert tables(target) == []


@pytest.mark.parametrize("dtype", [pa.int8(), pa.uint64(), pa.float32(), pa.bool_(), pa.date32(), pa.string()], ids=str)
def test_every_column_type_has_a_table_type(target: LoaderTarget, make: Make, dtype: pa.DataType) -> None:
    schema = pa.schema([pa.field("user_id", pa.int64(), nullable=False), pa.field("value", dtype)])
    run = make([{"user_id": 1, "value": None}], schema=schema, money=None)
    target.init(run)
    target.load(run)
    assert target.query("SELECT user_id, value FROM revenue") == [(1, None)]
