"""`init` alters no table, but says what would: proven by running it and loading what did not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from loader.alter import propose_changes
from loader.init import init_target
from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

SCHEMA = pl.Schema({"user_id": pl.Int64(), "spent": pl.Decimal(28, 2), "first_at": pl.Datetime("us", "UTC")})
KEY = ("user_id",)


@pytest.fixture(params=["postgres", "mariadb", "mysql", "sqlite"])
def database(request: pytest.FixtureRequest) -> Database:
    return Database(request.getfixturevalue(f"{request.param}_database"))


@pytest.fixture
def pipeline(database: Database, tmp_path: Path) -> Callable[[], Pipeline]:
    file = tmp_path / "spent.toml"
    file.write_text(
        f"""
name = "spent"
[source]
url = "sqlite:///none.db"
table = "purchases"
key = "user_id"
time = "at"
columns = ["amount"]
timezone = "UTC"
[staging]
url = "{(tmp_path / "staging").as_uri()}"
[target]
url = '{database.url}'
table = "spent"
"""
    )
    return lambda: load_pipeline(file, environ={})


def test_a_table_that_init_made_needs_nothing(pipeline: Callable[[], Pipeline]) -> None:
    assert propose_changes(pipeline(), SCHEMA, KEY) == []
    init_target(pipeline(), SCHEMA, KEY, apply=True)
    assert propose_changes(pipeline(), SCHEMA, KEY) == []


def test_what_is_proposed_for_missing_and_narrow_columns_is_valid_sql_and_enough(
    pipeline: Callable[[], Pipeline], database: Database
) -> None:
    narrow = "TEXT" if database.dialect == "sqlite" else "DECIMAL(9, 1)"
    database.execute(f"CREATE TABLE spent (user_id BIGINT NOT NULL, spent {narrow}, PRIMARY KEY (user_id))")
    before = str(propose_changes(pipeline(), SCHEMA, KEY))
    proposed = propose_changes(pipeline(), SCHEMA, KEY)
    assert str(proposed) == before  # nothing was altered by asking
    assert ["day" in proposed[0], "first_at" in proposed[-1]] == [True, True]
    assert len(proposed) == (2 if database.dialect == "sqlite" else 3)
    for statement in proposed:
        database.execute(statement)
    assert propose_changes(pipeline(), SCHEMA, KEY) == []
