"""Whole days on real databases and stores: the target equals the oracle, and two other readers agree on the shards."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.acceptance.covering import every_case, every_pair
from tests.acceptance.days import DAYS
from tests.acceptance.objects import fetch_shards, read_manifest
from tests.acceptance.oracle import revenue_of, rows_of, total_of
from tests.acceptance.shard_readers import read_with_duckdb, read_with_pyarrow
from tests.acceptance.whole_day import WholeDay
from tests.shop.shops import SHOPS, build_shop
from tests.shop.tables import Database, create_shop, read_revenue

pytestmark = pytest.mark.integration

DATABASES = ("sqlite", "postgres", "mariadb", "mysql")
PLANS = {"one": (1, 1), "few": (4, 3), "more_tasks_than_shards": (5, 8)}
FACTORS = (DATABASES, DATABASES, ("folder", "bucket"), tuple(DAYS), tuple(SHOPS), tuple(PLANS))
# A shop's rows are made around its day's bounds: any shop meets any database, any day too, and not any shop any day.
PAIRS = every_pair(FACTORS, but={(FACTORS.index(tuple(DAYS)), FACTORS.index(tuple(SHOPS)))})
# Which plan a combination gets goes round: shards and tasks have met every value of the other factors in PAIRS.
COMBINATIONS = [(*case, tuple(PLANS)[number % len(PLANS)]) for number, case in enumerate(every_case(FACTORS[:-1]))]


@pytest.mark.parametrize("case", PAIRS, ids="-".join)
def test_the_target_equals_the_oracle(case: tuple[str, ...], tmp_path: Path, request: pytest.FixtureRequest) -> None:
    check_case(case, tmp_path, request)


@pytest.mark.nightly
@pytest.mark.parametrize("case", COMBINATIONS, ids="-".join)
def test_the_target_equals_the_oracle_in_every_combination(
    case: tuple[str, ...], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    check_case(case, tmp_path, request)


def check_case(case: tuple[str, ...], folder: Path, request: pytest.FixtureRequest) -> None:
    whole = make_day(case, folder, request)
    shop, day = whole.shop, whole.day
    create_shop(whole.source, shop)
    whole.write_config()
    whole.create_tables()
    whole.run_in_process()

    expected = revenue_of(shop.rows, day, shop.status)
    assert read_revenue(whole.target, shop.names.target, shop.names.key, day.day.isoformat()) == expected

    manifest = read_manifest(whole.staging_url)
    shards = fetch_shards(whole.staging_url, manifest, folder)
    files = [path for paths in shards for path in paths]
    inside = rows_of(shop.rows, day, shop.status)
    assert read_with_pyarrow(files) == inside
    assert read_with_duckdb(files) == inside
    keys = [{row[0] for row in read_with_pyarrow(paths)} for paths in shards]
    assert sum(map(len, keys)) == len(expected), "a key lies in two shards"
    assert manifest["rows"] == len(inside)
    assert Decimal(manifest["sums"][shop.names.amount]) == total_of(expected)


def make_day(case: tuple[str, ...], folder: Path, request: pytest.FixtureRequest) -> WholeDay:
    source, target, staging, day_name, shop_name, plan = case
    urls = {name: request.getfixturevalue(f"{name}_database") for name in {source, target}}
    bucket = f"{request.getfixturevalue('gcs_bucket')}/a b/staging" if staging == "bucket" else None
    (folder / "staging").mkdir()
    day = DAYS[day_name]
    shards, tasks = PLANS[plan]
    return WholeDay(
        shop=build_shop(shop_name, day),
        day=day,
        source=Database(urls[source]),
        target=Database(urls[target]),
        staging_url=bucket or (folder / "staging").as_uri(),
        folder=folder,
        shards=shards,
        tasks=tasks,
    )
