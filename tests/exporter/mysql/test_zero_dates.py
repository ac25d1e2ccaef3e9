"""A date with zeros in the time column lies in no day that anybody exports: it is told, whatever the column's type."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from staging.errors import InputError
from tests.exporter.days import committed, pipeline, run_export
from tests.exporter.sliced_reads import calm
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

TYPES = ["timestamp", "timestamp(3)", "timestamp(6)", "datetime", "datetime(6)", "date"]


def _make(url: str, type_: str, value: str, *, key: str = "purchased_at") -> None:
    null = "NULL" if "NULL" in type_ else "NOT NULL"
    columns = {
        "id": "bigint AUTO_INCREMENT PRIMARY KEY",
        "user_id": "int NOT NULL",
        "purchased_at": f"{type_.split(maxsplit=1)[0]} {null} DEFAULT '2026-01-01'",
        "amount": "decimal(10,2) NOT NULL",
    }
    database = create_purchases(url, columns=columns, more=f", KEY ({key})", index=False)
    database.execute(
        "INSERT INTO purchases (user_id, purchased_at, amount) "
        "SELECT 1, '2026-10-30 08:00' + INTERVAL seq * 10 MINUTE, 1 FROM seq_0_to_600"
    )
    ((before,),) = database.execute("SELECT @@GLOBAL.sql_mode")
    database.execute("SET GLOBAL sql_mode = ''")
    try:
        database.execute(f"INSERT INTO purchases (user_id, purchased_at, amount) VALUES (77, '{value}', 7)")
    finally:
        database.execute(f"SET GLOBAL sql_mode = '{before}'")
    database.execute("ANALYZE TABLE purchases")


@pytest.mark.parametrize("read", ["snapshot", "slices"])
@pytest.mark.parametrize("type_", [*TYPES, "timestamp NULL", "datetime NULL"])
def test_a_zero_date_as_the_time_is_refused(mysql_family_database: str, tmp_path: Path, type_: str, read: str) -> None:
    _make(mysql_family_database, type_, "0000-00-00")
    _refused(mysql_family_database, tmp_path, read, date(2026, 10, 31))


def test_a_zero_date_is_refused_where_no_index_finds_it(mysql_family_database: str, tmp_path: Path) -> None:
    _make(mysql_family_database, "timestamp", "0000-00-00", key="amount")
    _refused(mysql_family_database, tmp_path, "snapshot", date(2026, 10, 31))


@pytest.mark.parametrize("read", ["snapshot", "slices"])
@pytest.mark.parametrize("type_", ["datetime", "datetime(6)", "date"])
@pytest.mark.parametrize(
    "written",
    [
        ("2026-11-00", date(2026, 10, 31)),
        ("2026-11-00 12:00:00", date(2026, 10, 31)),
        ("2026-00-00", date(2025, 12, 31)),
        ("2026-00-14", date(2025, 12, 31)),
        ("0000-11-14", date(2026, 10, 31)),
    ],
)
def test_a_date_with_some_zeros_is_refused_on_the_day_before_its_month(
    mysql_family_database: str, tmp_path: Path, type_: str, written: tuple[str, date], read: str
) -> None:
    value, day = written
    _make(mysql_family_database, type_, value)
    _refused(mysql_family_database, tmp_path, read, day)


@pytest.mark.parametrize("read", ["snapshot", "slices"])
@pytest.mark.parametrize("type_", TYPES)
def test_the_first_and_the_last_time_that_there_are_are_no_zeros(
    mysql_family_database: str, tmp_path: Path, type_: str, read: str
) -> None:
    value = "1970-01-01 00:00:01" if type_.startswith("timestamp") else "0001-01-01 00:00:00"
    ((zone,),) = Database(mysql_family_database).execute("SELECT @@GLOBAL.time_zone")
    assert zone == "+05:30"
    _make(mysql_family_database, type_, value)
    made = pipeline(mysql_family_database, tmp_path, export={"read": read}, timezone="UTC")
    assert run_export(calm(made), day=date(2026, 10, 31)).manifest["rows"] > 0


def _refused(url: str, folder: Path, read: str, day: date) -> None:
    made = calm(pipeline(url, folder, export={"read": read, "grace_seconds": 0}, timezone="UTC"))
    with pytest.raises(InputError, match="date with zeros") as caught:
        run_export(made, day=day)
    assert "user_id is 77" in caught.value.what
    assert committed(folder) == []
