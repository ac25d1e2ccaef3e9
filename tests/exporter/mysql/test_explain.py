"""A plan is read on MySQL however the server is set up to show plans, and whichever optimizer it has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.exporter.days import pipeline, run_export
from tests.exporter.sliced_reads import calm
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

DAY_ROWS = 960


@pytest.fixture
def database(mysql_database: str) -> Database:
    """20,000 purchases 90 seconds apart under keys that are strewn, of which the day has 960."""
    columns = {"user_id": "int NOT NULL", "purchased_at": "datetime(6) NOT NULL"}
    made = create_purchases(mysql_database, columns=columns)
    made.execute(
        "INSERT INTO purchases "
        "SELECT 1 + seq * 7919 MOD 20000, 1, '2026-11-01' + INTERVAL seq * 90 SECOND, 1 FROM seq_0_to_19999"
    )
    made.execute("ANALYZE TABLE purchases")
    return made


@contextmanager
def _globally(database: Database, variable: str, value: str) -> Iterator[None]:
    ((before,),) = database.execute(f"SELECT @@GLOBAL.{variable}")
    database.execute(f"SET GLOBAL {variable} = '{value}'")
    try:
        yield
    finally:
        database.execute(f"SET GLOBAL {variable} = '{before}'")


@pytest.mark.parametrize("read", ["snapshot", "slices"])
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("explain_format", "TREE"),
        ("explain_format", "JSON"),
        ("explain_format", "TRADITIONAL"),
        ("optimizer_switch", "hypergraph_optimizer=on"),
    ],
)
def test_a_day_is_planned_and_read_along_its_time(
    database: Database, tmp_path: Path, variable: str, value: str, read: str
) -> None:
    rows_read = "SHOW GLOBAL STATUS LIKE 'Innodb_rows_read'"
    with _globally(database, variable, value):
        ((_, before),) = database.execute(rows_read)
        made = pipeline(database.url, tmp_path, export={"read": read}, timezone="UTC")
        manifest = run_export(calm(made)).manifest
        ((_, after),) = database.execute(rows_read)
    assert manifest["rows"] == DAY_ROWS
    assert int(after) - int(before) < 10_000  # the table has 20,000
