from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tests.acceptance.days import DAYS
from tests.acceptance.oracle import BusinessDay, revenue_of, rows_of, total_of
from tests.shop.shops import SHOPS, build_shop
from tests.shop.tables import Database, create_shop, source_table

pytestmark = pytest.mark.integration

DAY = BusinessDay(date(2026, 3, 29), "Europe/Berlin")


@pytest.mark.parametrize("name", SHOPS)
def test_a_shop_is_the_same_each_time(name: str) -> None:
    assert build_shop(name, DAY) == build_shop(name, DAY)


@pytest.mark.parametrize("name", sorted(set(SHOPS) - {"no_row", "no_row_of_the_day"}))
def test_a_shop_has_rows_on_the_first_instant_of_the_day_and_none_of_the_next(name: str) -> None:
    shop = build_shop(name, DAY)
    inside = rows_of(shop.rows, DAY, None)
    assert min(at for _, at, _ in inside).isoformat() == "2026-03-28T23:00:00+00:00"
    assert max(at for _, at, _ in inside).isoformat() < "2026-03-29T22:00:00"


def test_the_oracle_knows_a_day_worked_out_by_hand() -> None:
    shop = build_shop("one_row", DAY)
    assert revenue_of(shop.rows, DAY, None) == {0: (Decimal("0.01"), 1)}
    assert revenue_of(shop.rows, BusinessDay(date(2026, 3, 28), "Europe/Berlin"), None) == {}
    assert revenue_of(shop.rows, BusinessDay(date(2026, 3, 28), "UTC"), None) == {0: (Decimal("0.01"), 1)}
    limits = revenue_of(build_shop("limits", DAY).rows, DAY, None)
    assert total_of(limits) == sum(row.amount for row in build_shop("limits", DAY).rows if DAY.holds(row.at))
    assert max(money for money, _ in limits.values()) > Decimal(10) ** 18


@pytest.mark.parametrize("database", ["sqlite_database", "postgres_database", "mariadb_database", "mysql_database"])
@pytest.mark.parametrize("name", ["keys", "limits", "odd_names", "schema", "text_keys"])
def test_a_database_holds_the_shop_as_it_is_in_memory(name: str, database: str, request: pytest.FixtureRequest) -> None:
    shop, found = build_shop(name, DAY), Database(request.getfixturevalue(database))
    create_shop(found, shop)
    columns = ", ".join(found.quote(column) for column in (shop.names.key, shop.names.amount, shop.names.status))
    rows = found.execute(f"SELECT {columns} FROM {source_table(found, shop)}")
    assert sorted((key, Decimal(str(amount)), status) for key, amount, status in rows) == sorted(
        (row.key, row.amount, row.status) for row in shop.rows
    )


@pytest.mark.parametrize(
    ("name", "hours"),
    [
        ("plain", 24),
        ("23_hours", 23),
        ("25_hours", 25),
        ("no_midnight", 23),
        ("no_midnight_before", 24),
        ("two_midnights", 25),
        ("half_hour_change", 24.5),
        ("plus_14", 24),
        ("plus_0545", 24),
        ("after_a_skipped_day", 24),
    ],
)
def test_the_days_are_as_odd_as_they_are_called(name: str, hours: float) -> None:
    first, last_minute = DAYS[name].first_and_last_minute()
    assert ((last_minute - first).total_seconds() + 60) / 3600 == hours
