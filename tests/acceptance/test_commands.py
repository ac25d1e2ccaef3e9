"""The commands as users start them, on real servers."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.acceptance.commands import penstock
from tests.acceptance.oracle import BusinessDay, revenue_of, rows_of, total_of
from tests.acceptance.test_days import make_day
from tests.acceptance.whole_day import WholeDay
from tests.servers.postgres import PostgresServer
from tests.shop.shops import build_shop
from tests.shop.tables import Database, create_shop, read_revenue

pytestmark = pytest.mark.integration

DAY = BusinessDay(date(2026, 10, 25), "Europe/Berlin")
ON_DAY = ("--day", "2026-10-25")


@pytest.mark.parametrize(
    "case",
    [
        ("sqlite", "postgres", "bucket", "25_hours", "skew", "few"),
        ("postgres", "mariadb", "folder", "25_hours", "odd_names", "more_tasks_than_shards"),
        ("mariadb", "sqlite", "bucket", "25_hours", "limits", "few"),
        ("mysql", "mysql", "folder", "25_hours", "skew", "few"),
        ("postgres", "postgres", "bucket", "25_hours", "no_row_of_the_day", "one"),
    ],
    ids="-".join,
)
def test_init_run_run_again_and_verify(case: tuple[str, ...], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    whole = make_day(case, tmp_path, request)
    shop = whole.shop
    create_shop(whole.source, shop)
    config = ("--config", whole.write_config())
    expected = revenue_of(shop.rows, DAY, shop.status)
    total = total_of(expected)

    assert penstock("init", *config, logs=tmp_path / "logs").code == 0
    first = penstock("run", *config, *ON_DAY, "--json", logs=tmp_path / "logs").json()
    assert read_revenue(whole.target, shop.names.target, shop.names.key, "2026-10-25") == expected
    assert first["status"] == "done"
    assert first["day"] == "2026-10-25"
    assert first["rows_exported"] == len(rows_of(shop.rows, DAY, shop.status))
    assert first["rows_loaded"] == len(expected)
    assert first["shards"] == whole.shards
    assert first["tasks"] == whole.tasks
    assert first["seconds"] > 0
    assert {column: Decimal(money) for column, money in first["totals"]["exported"].items()} == {
        shop.names.amount: total
    }
    assert Decimal(first["totals"]["loaded"]["revenue"]) == total
    assert all(isinstance(money, str) for sums in first["totals"].values() for money in sums.values())

    again = penstock("run", *config, *ON_DAY, "--json", logs=tmp_path / "logs").json()
    assert again["status"] == "already done"
    for same in ("run_id", "export_id", "rows_exported", "rows_loaded", "totals"):
        assert again[same] == first[same]
    assert penstock("verify", *config, *ON_DAY, logs=tmp_path / "logs").code == 0


@pytest.mark.parametrize("server", ["postgres", "mariadb", "mysql", "sqlite"])
def test_init_names_a_column_that_a_query_misspells(
    server: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    whole = make_day((server, server, "folder", "25_hours", "skew", "few"), tmp_path, request)
    create_shop(whole.source, whole.shop)
    wrong = ("--set", "process.sql=SELECT SUM(amuont) AS spent FROM rows")
    ended = penstock("init", "--config", whole.write_config(), *wrong, logs=tmp_path / "logs")
    assert ended.code == 10
    assert 'unable to find column "amuont"' in ended.err
    assert "Traceback" not in ended.err


def test_no_command_that_changes_nothing_writes_a_row(postgres_database: str, tmp_path: Path) -> None:
    whole, config = done_day(Database(postgres_database), Database(postgres_database), tmp_path)
    before = _row_versions(whole)
    assert len(before) > 100
    for command in (("run",), ("reprocess",), ("run", "--fresh-export"), ("verify",)):
        ended = penstock(*command, *config, *ON_DAY, logs=tmp_path / "logs")
        assert ended.code == 0, ended.err
        assert _row_versions(whole) == before, command


def test_a_day_is_reprocessed_while_the_source_is_down(
    own_postgres: PostgresServer, postgres_database: str, tmp_path: Path
) -> None:
    source = Database(own_postgres.url(own_postgres.create_database()))
    whole, config = done_day(source, Database(postgres_database), tmp_path)
    whole.target.execute("UPDATE revenue SET revenue = revenue + 1 WHERE user_id = 1")
    own_postgres.stop()

    report = penstock("reprocess", *config, *ON_DAY, "--json", logs=tmp_path / "logs").json()
    expected = revenue_of(whole.shop.rows, DAY, whole.shop.status)
    assert report["status"] == "done"
    assert read_revenue(whole.target, "revenue", "user_id", "2026-10-25") == expected
    assert penstock("verify", *config, *ON_DAY, logs=tmp_path / "logs").code == 0
    assert penstock("run", *config, *ON_DAY, logs=tmp_path / "logs").code == 0
    down = penstock("run", *config, *ON_DAY, "--fresh-export", logs=tmp_path / "logs")
    assert down.code == 20, down.err


def test_other_days_are_never_touched_and_users_who_vanished_are(postgres_database: str, tmp_path: Path) -> None:
    database = Database(postgres_database)
    whole, config = done_day(database, database, tmp_path)
    database.execute(
        "INSERT INTO revenue (user_id, day, revenue, purchases) VALUES (1, '2026-10-24', 5, 1), (1, '2026-10-26', 6, 1)"
    )
    database.execute("DELETE FROM purchases WHERE user_id < 5")
    ended = penstock("run", *config, *ON_DAY, "--fresh-export", logs=tmp_path / "logs")
    assert ended.code == 0, ended.err
    left = [row for row in whole.shop.rows if int(row.key) >= 5]
    assert read_revenue(database, "revenue", "user_id", "2026-10-25") == revenue_of(left, DAY, whole.shop.status)
    assert read_revenue(database, "revenue", "user_id", "2026-10-24") == {1: (Decimal(5), 1)}
    assert read_revenue(database, "revenue", "user_id", "2026-10-26") == {1: (Decimal(6), 1)}


def done_day(source: Database, target: Database, folder: Path) -> tuple[WholeDay, tuple[str | Path, ...]]:
    """Return a day that was run, and its --config."""
    (folder / "staging").mkdir()
    whole = WholeDay(build_shop("skew", DAY), DAY, source, target, (folder / "staging").as_uri(), folder)
    create_shop(source, whole.shop)
    whole.write_config()
    whole.create_tables()
    whole.run_in_process()
    return whole, ("--config", whole.config)


def _row_versions(whole: WholeDay) -> list[tuple[object, ...]]:
    """Return place and writer of each row: PostgreSQL changes both when it writes a row, even with equal values."""
    return whole.target.execute("SELECT ctid::text, xmin::text, user_id FROM revenue ORDER BY user_id")
