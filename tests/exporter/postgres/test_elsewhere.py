"""Rows that are not this server's own, or not of now, are not taken for a day that is over, nor for one instant."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from exporter.open_source import open_source
from exporter.port.sliced_source import WEAK_GRACE_FACTOR
from exporter.port.source import TableName
from staging.config.pipeline import Pipeline
from staging.errors import InputError, UnavailableError
from tests.exporter.days import pipeline, run_export
from tests.servers.postgres import USER, PostgresServer
from tests.servers.server import HOST, PASSWORD

pytestmark = pytest.mark.integration

COLUMNS = (
    "id bigint NOT NULL, user_id bigint NOT NULL, purchased_at timestamptz NOT NULL, amount numeric(12,2) NOT NULL"
)
PURCHASES = f"CREATE TABLE {{}} ({COLUMNS}, PRIMARY KEY (id))"
A_MONTH_AGO = datetime.now(UTC) - timedelta(days=30)


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)) as shop:
        for statement in statements:
            shop.execute(statement)


@pytest.fixture
def shop(postgres_database: str) -> str:
    """A shop with two rows of the day, and one that a materialized view has not got."""
    execute(
        postgres_database,
        PURCHASES.format("bought"),
        "INSERT INTO bought VALUES (1, 1, '2026-11-14 09:00+00', 5), (2, 2, '2026-11-14 10:00+00', 7)",
        "CREATE MATERIALIZED VIEW purchases AS SELECT * FROM bought",
        "INSERT INTO bought VALUES (3, 1, '2026-11-14 11:00+00', 9)",
    )
    return postgres_database


def foreign(url: str, table: str, remote: str) -> tuple[str, ...]:
    """Statements that make a table of this database a foreign one of it, too."""
    at = make_url(url)
    options = f"host '{HOST}', port '{at.port}', dbname '{at.database}'"
    return (
        "CREATE EXTENSION IF NOT EXISTS postgres_fdw",
        f"CREATE SERVER beyond FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({options})",
        f"CREATE USER MAPPING FOR CURRENT_USER SERVER beyond OPTIONS (user '{USER}', password '{PASSWORD}')",
        f"CREATE FOREIGN TABLE {table} ({COLUMNS}) SERVER beyond OPTIONS (table_name '{remote}')",
    )


@pytest.mark.parametrize("behind", ["itself", "a view", "a view of a view"])
def test_a_day_of_a_materialized_view_is_unfinished(shop: str, tmp_path: Path, behind: str) -> None:
    if behind != "itself":
        execute(shop, "CREATE VIEW seen AS SELECT * FROM purchases", "CREATE VIEW seen_again AS SELECT * FROM seen")
    table = {"itself": "purchases", "a view": "seen", "a view of a view": "seen_again"}[behind]
    export = run_export(pipeline(shop, tmp_path, table=table))
    assert "purchases, which is as old as its last REFRESH" in export.manifest["reading"]["not_over"]
    assert export.manifest["reading"]["mode"] == "snapshot"
    assert sorted(row["id"] if "id" in row else int(row["amount"]) for row in export.rows()) == [5, 7]


def test_a_materialized_view_is_not_read_in_slices(shop: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a materialized view"):
        run_export(pipeline(shop, tmp_path, export={"read": "slices"}))


def test_the_tables_behind_a_materialized_view_are_over(shop: str, tmp_path: Path) -> None:
    export = run_export(pipeline(shop, tmp_path, table="bought"))
    assert export.manifest["reading"]["not_over"] == ""
    assert len(export.rows()) == 3


def test_transactions_on_another_server_are_not_seen_so_the_grace_is_longer(shop: str) -> None:
    execute(shop, *foreign(shop, "afar", "bought"), "CREATE VIEW seen AS SELECT * FROM afar")
    with open_source(shop) as source:
        for table, is_weak in (("bought", False), ("afar", True), ("seen", True)):
            closed = source.find_closed(A_MONTH_AGO, 60, tables=(TableName(None, table),))
            assert closed is not None
            assert (closed.is_closed, closed.is_weak) == (True, is_weak)
            assert ("foreign table afar are not seen" in closed.how) is is_weak
            ended = closed.database_time - timedelta(seconds=60 * WEAK_GRACE_FACTOR - 30)
            again = source.find_closed(ended, 60, tables=(TableName(None, table),))
            assert again is not None
            assert again.is_closed is not is_weak


def _with_users(shop: str, folder: Path, users: str, **source: str) -> Pipeline:
    beside = {"users": {"table": users, "key": "user_id", "columns": ["country"]}}
    section: dict[str, Any] = {"table": "bought", "with": beside, **source}
    return pipeline(shop, folder, **section)


@pytest.mark.parametrize("kind", ["materialized", "foreign", "a view of both"])
def test_a_table_of_another_time_or_place_is_not_read_beside_others(shop: str, tmp_path: Path, kind: str) -> None:
    execute(
        shop,
        "CREATE TABLE own (user_id bigint PRIMARY KEY, country text)",
        "INSERT INTO own VALUES (1, 'DE'), (2, 'FR')",
        "CREATE MATERIALIZED VIEW materialized AS SELECT * FROM own",
        *foreign(shop, "afar", "bought")[:3],
        "CREATE FOREIGN TABLE foreign_users (user_id bigint, country text) SERVER beyond OPTIONS (table_name 'own')",
        "CREATE VIEW users AS SELECT * FROM foreign_users UNION SELECT * FROM materialized",
    )
    users = {"materialized": "materialized", "foreign": "foreign_users", "a view of both": "users"}[kind]
    with pytest.raises(InputError, match="can't be read at one instant"):
        run_export(_with_users(shop, tmp_path, users))
    assert run_export(_with_users(shop, tmp_path, "own")).manifest["tables"]


def test_a_table_that_a_subscription_fills_is_over_when_its_publisher_was_heard_after_that(
    own_postgres: PostgresServer, postgres_server: PostgresServer, postgres_database: str, tmp_path: Path
) -> None:
    with own_postgres.connect() as publisher:
        publisher.execute("ALTER SYSTEM SET wal_level = logical")
    own_postgres.stop()
    own_postgres.start()
    with own_postgres.connect() as publisher:
        publisher.execute(PURCHASES.format("purchases"))
        publisher.execute("INSERT INTO purchases VALUES (1, 1, '2026-11-14 09:00+00', 5)")
        publisher.execute("CREATE PUBLICATION sold FOR TABLE purchases")
    name = make_url(postgres_database).database
    with closing(postgres_server.connect(str(name))) as subscriber:
        subscriber.execute(PURCHASES.format("purchases"))
        place = f"host={HOST} port={own_postgres.port} user={USER} password={PASSWORD} dbname=postgres"
        subscriber.execute(f"CREATE SUBSCRIPTION sold CONNECTION '{place}' PUBLICATION sold")
        try:
            _wait_until_heard(postgres_database)
            subscriber.execute("ALTER SUBSCRIPTION sold DISABLE")
            export = run_export(pipeline(postgres_database, tmp_path))
            assert "the subscription sold, which fills purchases" in export.manifest["reading"]["not_over"]
            with pytest.raises(UnavailableError, match="not over"):
                run_export(pipeline(postgres_database, tmp_path / "slices", export={"read": "slices"}))
        finally:
            subscriber.execute("ALTER SUBSCRIPTION sold DISABLE")
            subscriber.execute("ALTER SUBSCRIPTION sold SET (slot_name = NONE)")
            subscriber.execute("DROP SUBSCRIPTION sold")


def _wait_until_heard(url: str) -> None:
    """Wait until all is copied and the publisher has said that there is no more."""
    give_up = time.monotonic() + 60
    why_not = "nobody was asked"
    with open_source(url) as source:
        while time.monotonic() < give_up:
            closed = source.find_closed(A_MONTH_AGO, 60, tables=(TableName(None, "purchases"),))
            assert closed is not None
            if closed.is_closed:
                return
            why_not = closed.why_not
            time.sleep(0.1)
    raise AssertionError(why_not)
