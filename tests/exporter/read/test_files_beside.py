"""Parquet files beside tables: carried by the same key, as they were listed, against rows made in plain Python."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from exporter.export_day import OpenSource
from exporter.open_source import open_source
from staging.config.pipeline import Pipeline
from staging.errors import InputError
from staging.hours.name import parse_hour
from tests.exporter.days import Export, committed, pipeline, run_export
from tests.exporter.read.test_beside import rows_of
from tests.shop.net_shop import BERLIN, END, START, WITH, create_net_shop, make_net_shop

pytestmark = pytest.mark.integration

SHOP = make_net_shop(rows=200)
SHARDS = 3
VISITS = {"key": "user_id", "time": "visited_at", "columns": ["spent"]}
SEGMENTS = {"key": "user_id", "columns": ["segment"]}


@pytest.fixture(params=["sqlite", "postgres", "mariadb", "mysql"])
def url(request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue(f"{request.param}_database")
    create_net_shop(found, SHOP)
    return found


@pytest.fixture
def shop(sqlite_database: str) -> str:
    create_net_shop(sqlite_database, SHOP)
    return sqlite_database


def put(path: Path, rows: list[dict[str, Any]], schema: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, schema=schema, orient="row").write_parquet(path)


def put_visits(folder: Path) -> list[dict[str, Any]]:
    """Three visits of each of 40 users, in two files: one before, one in, and one after the day."""
    moments = (START - timedelta(microseconds=1), START, END)
    rows = [
        {"user_id": user, "visited_at": moment, "spent": Decimal(user) / 100}
        for user in range(1, 41)
        for moment in moments
    ]
    schema = {"user_id": pl.Int64(), "visited_at": pl.Datetime("us", "UTC"), "spent": pl.Decimal(10, 2)}
    put(folder / "visits" / "a.parquet", rows[:50], schema)
    put(folder / "visits" / "b.parquet", rows[50:], schema)
    return [row for row in rows if row["visited_at"] == START]


def put_segments(folder: Path, users: list[int]) -> None:
    rows = [{"user_id": user, "segment": f"s{user % 3}"} for user in users]
    put(folder / "segments.parquet", rows, {"user_id": pl.Int64(), "segment": pl.String()})


def settings(url: str, folder: Path, *, export: dict[str, Any] | None = None, **beside: dict[str, Any]) -> Pipeline:
    lake = {"visits": {"parquet": f"{(folder / 'visits').as_uri()}/*.parquet", **VISITS}}
    lake["segments"] = {"parquet": (folder / "segments.parquet").as_uri(), **SEGMENTS}
    tables = {name: {**lake.get(name, WITH.get(name, {})), **changed} for name, changed in beside.items()}
    return pipeline(url, folder / "staging", export={"shards": SHARDS, **(export or {})}, **{"with": tables})


def beside(export: Export) -> dict[str, dict[str, Any]]:
    return {table["name"]: table for table in export.manifest["tables"]}


def check(export: Export, expected: list[dict[str, Any]]) -> None:
    """Purchases, the visits of the day, and the segments of all who bought or visited."""
    assert sorted((row["user_id"], row["amount"]) for row in export.rows()) == sorted(SHOP.of_day("purchases"))
    visits = rows_of(export, "visits")
    assert Counter((row["user_id"], row["spent"]) for row in visits) == Counter(
        (row["user_id"], row["spent"]) for row in expected
    )
    keys = {user for user, _ in SHOP.of_day("purchases")} | {row["user_id"] for row in expected}
    segments = {row["user_id"]: row["segment"] for row in rows_of(export, "segments")}
    assert segments == {user: f"s{user % 3}" for user in keys if user <= 100}
    tables = beside(export)
    assert tables["visits"]["sums"] == {"spent": str(sum(row["spent"] for row in expected))}
    assert tables["visits"]["evidence"]["rows_outside_window"] == "80"
    assert [Path(each["url"]).name for each in tables["visits"]["objects"]] == ["a.parquet", "b.parquet"]
    assert tables["segments"]["keys_without_row"] == len([user for user in keys if user > 100])


@pytest.mark.parametrize("read", ["snapshot", "slices"])
def test_files_lie_in_the_shards_of_their_keys_beside_a_table(url: str, tmp_path: Path, read: str) -> None:
    if read == "slices" and url.startswith("sqlite"):
        read = "auto"  # it has no slices
    expected = put_visits(tmp_path)
    put_segments(tmp_path, list(range(1, 101)))
    check(run_export(settings(url, tmp_path, export={"read": read}, visits={}, segments={})), expected)


def test_files_and_tables_lie_beside_one_table(url: str, tmp_path: Path) -> None:
    expected = put_visits(tmp_path)
    export = run_export(settings(url, tmp_path, visits={}, refunds={}, users={"only_keys": False}))
    assert sorted((row["user_id"], row["amount"]) for row in rows_of(export, "refunds")) == sorted(
        SHOP.of_day("refunds")
    )
    assert {row["id"]: row["country"] for row in rows_of(export, "users")} == dict(SHOP.users)
    assert len(rows_of(export, "visits")) == len(expected)
    visitors = {row["user_id"] for row in expected}
    assert beside(export)["users"]["keys_without_row"] == len(SHOP.buyers() - dict(SHOP.users).keys())
    assert visitors - dict(SHOP.users).keys()  # whom the database was not asked about


def refused(url: str, folder: Path, *, opener: OpenSource = open_source, **tables: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        run_export(settings(url, folder, **tables), opener=opener)
    assert committed(folder / "staging") == []
    return str(caught.value)


def never(_: str) -> Any:
    raise AssertionError("the database was asked")


def test_files_that_are_not_there_are_told_before_the_database_is_asked(shop: str, tmp_path: Path) -> None:
    assert "No object matches" in refused(shop, tmp_path, opener=never, visits={})


def test_a_key_of_another_type_is_refused_before_a_row_is_read(shop: str, tmp_path: Path) -> None:
    put(
        tmp_path / "segments.parquet",
        [{"user_id": "1", "segment": "x"}],
        {"user_id": pl.String(), "segment": pl.String()},
    )
    told = refused(shop, tmp_path, segments={})
    assert "has another type than the key of purchases" in told
    assert "write it in that type" in told


def test_files_without_the_key_are_refused_by_name(shop: str, tmp_path: Path) -> None:
    put_segments(tmp_path, [1])
    assert "segments.parquet has no column 'nobody'" in refused(shop, tmp_path, segments={"key": "nobody"})


def test_two_rows_of_a_key_in_files_without_a_time_are_refused(shop: str, tmp_path: Path) -> None:
    buyer = SHOP.of_day("purchases")[0][0]
    put_segments(tmp_path, [buyer, 7_000, buyer])
    assert f"has more than one row of a key, where user_id is {buyer}" in refused(shop, tmp_path, segments={})


def test_a_key_with_two_rows_that_nobody_asks_for_hurts_nobody(shop: str, tmp_path: Path) -> None:
    buyer = SHOP.of_day("purchases")[0][0]
    put_segments(tmp_path, [buyer, 7_000, 7_000])
    assert [row["user_id"] for row in rows_of(run_export(settings(shop, tmp_path, segments={})), "segments")] == [buyer]
    assert "more than one row of a key" in refused(
        shop, tmp_path / "all", segments={"only_keys": False, "parquet": (tmp_path / "segments.parquet").as_uri()}
    )


def test_a_day_whose_files_were_listed_before_it_was_over_is_unfinished(shop: str, tmp_path: Path) -> None:
    """The clock that lists is behind the database's; of the store's and ours the later one counts."""
    put_visits(tmp_path)
    for path in (tmp_path / "visits").iterdir():
        os.utime(path, (START.timestamp(), START.timestamp()))
    export = run_export(settings(shop, tmp_path, visits={}), now=END - timedelta(seconds=1))
    assert (
        export.manifest["reading"]["not_over"] == "the files of source.with.visits were listed before the day was over"
    )
    assert datetime.fromisoformat(export.manifest["as_of"]) > END.astimezone(UTC)


def test_an_hour_has_the_files_of_its_day_beside_it(shop: str, tmp_path: Path) -> None:
    put_segments(tmp_path / "2026-11-14", list(range(1, 101)))
    lake = f"{tmp_path.as_uri()}/{{day}}/segments.parquet"
    hourly = pipeline(
        shop, tmp_path / "staging", window="hour", **{"with": {"segments": {"parquet": lake, **SEGMENTS}}}
    )
    hour = parse_hour("2026-11-14T09+01:00")
    export = run_export(hourly, day=hour)
    start = datetime(2026, 11, 14, 9, tzinfo=BERLIN)
    buyers = {user for _, user, at, _ in SHOP.purchases if start <= at < start + timedelta(hours=1)}
    assert {row["user_id"] for row in export.rows()} == buyers
    (table,) = export.manifest["tables"]
    assert table["rows"] == len([user for user in buyers if user <= 100]) > 0


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"parquet": None, "time": None}, "has neither table nor parquet"),
        ({"table": "visits"}, "has parquet and table, which is for a table"),
        ({"where": "spent > 0", "time": None}, "has parquet and where, which is for a table"),
        ({"parquet": "visits"}, "visits"),
    ],
)
def test_what_is_neither_table_nor_files_is_refused(tmp_path: Path, table: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        settings("sqlite:///shop.db", tmp_path, visits=table)


def test_keys_that_the_database_cannot_know_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="set only_keys = false there"):
        settings("sqlite:///shop.db", tmp_path, visits={}, users={})
