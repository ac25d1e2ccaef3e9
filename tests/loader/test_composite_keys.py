"""Keys of several columns in every target: its unique key, what vanishes, what merges, and what is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from loader.merge import merge_parts
from loader.run_inputs import read_run_inputs
from staging.errors import InputError, IntegrityError
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import Cancel
from tests.loader.parquet.test_target import FilesTarget
from tests.loader.runs import LoaderRun
from tests.loader.target_fixtures import LoaderTarget, mysql_family_target
from tests.shop.hand_made_export import parquet_of

pytestmark = pytest.mark.integration

KEY = ("shop_id", "user_id")
SCHEMA = pa.schema(
    [
        pa.field("shop_id", pa.int64(), nullable=False),
        pa.field("revenue", pa.decimal128(28, 2)),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("purchases", pa.int64()),
    ]
)
COLUMNS = ("shop_id", "user_id", "revenue", "purchases")
MERGE = {"revenue": "sum", "purchases": "max"}
USERS = ["ada", "Ada", "ada ", "", "日本", "o'b", "x" * 60]
Row = dict[str, Any]
Make = Callable[..., LoaderRun]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    (tmp_path / "staging").mkdir()

    def new(rows: Sequence[Row], number: int = 1, merge: dict[str, str] | None = None, **options: Any) -> LoaderRun:
        ids = {"run_id": f"run-{number:04d}", "export_id": f"export-{number:04d}", "fence": number}
        run = LoaderRun(tmp_path / "staging", rows, **{"schema": SCHEMA, "key": KEY, **ids, **options})
        for receipt in run.receipts.values():
            receipt["merge"] = merge or {}
        return run.write()

    return new


def sold(count: int, *, times: int = 1) -> list[Row]:
    """Keys of which each column comes many times, and no pair twice (`times` times each, one after the other)."""
    return [
        {
            "shop_id": i // times // len(USERS) - 2,
            "user_id": USERS[i // times % len(USERS)],
            "revenue": Decimal(i * 37 % 1000 - 300) / 100,
            "purchases": i * 7 % 11,
        }
        for i in range(count * times)
    ]


def in_target(run: LoaderRun, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    return sorted(((run.day.isoformat(), *(row[column] for column in COLUMNS)) for row in rows), key=repr)


def merged(rows: Sequence[Row]) -> list[Row]:
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        old = found.setdefault((row["shop_id"], row["user_id"]), {**row, "revenue": Decimal(0)})
        old["revenue"] += row["revenue"]
        old["purchases"] = max(old["purchases"], row["purchases"])
    return list(found.values())


def test_only_whole_keys_vanish_change_and_come(target: LoaderTarget, make: Make) -> None:
    first = make(rows := sold(60))
    assert target.init(first)
    assert target.load(first).loaded.inserted == 60
    assert target.rows(COLUMNS) == in_target(first, rows)
    new = [{**rows[0], "shop_id": 500}, {**rows[1], "user_id": "new"}]
    after = [*({**row, "revenue": Decimal("0.01")} for row in rows[10:13]), *rows[13:], *new]
    again = target.load(second := make(after, 2))
    assert (again.loaded.inserted, again.loaded.updated, again.loaded.deleted) == (2, 3, 10)
    assert target.rows(COLUMNS) == in_target(second, after)
    third = target.load(make(after, 3))
    assert (third.loaded.inserted, third.loaded.updated, third.loaded.deleted) == (0, 0, 0)


def test_a_text_in_the_key_that_differs_in_case_alone_is_another_row(target: LoaderTarget, make: Make) -> None:
    run = make(rows := sold(7))
    target.init(run)
    target.load(run)
    capitals = [{**row, "user_id": row["user_id"].upper()} for row in rows if row["user_id"] not in ("Ada", "ada ")]
    loaded = target.load(second := make(capitals, 2)).loaded
    assert target.rows(COLUMNS) == in_target(second, capitals)
    assert (loaded.inserted, loaded.deleted) == (3, 5)


def test_partial_rows_of_one_composite_key_become_one(target: LoaderTarget, make: Make) -> None:
    run = make(rows := sold(40, times=3), merge=MERGE)
    target.init(run)
    assert target.load(run).loaded.rows == 40
    assert target.rows(COLUMNS) == in_target(run, merged(rows))
    assert not [check for check in target.verify(run).checks if not check.ok and check.name != "shards"]


@pytest.mark.parametrize("piece_rows", [1, 7, 1000])
def test_pieces_of_a_merge_hold_each_composite_key_once(make: Make, piece_rows: int) -> None:
    run = make(rows := sold(50, times=3), merge=MERGE)
    with open_store(run.staging_url) as store:
        inputs = read_run_inputs(store, DayNames(run.pipeline, run.day), run.run_id)
    parts = [pl.read_parquet(run.path(f"part-{shard:05d}.parquet")) for shard in range(run.shards)]
    pieces = list(merge_parts(parts, inputs, Cancel(), piece_rows=piece_rows))
    found = pl.concat(pieces).select(COLUMNS).rows()
    assert sorted(found) == sorted(tuple(row[column] for column in COLUMNS) for row in merged(rows))
    assert all(piece.select(KEY).rows() == sorted(piece.select(KEY).rows()) for piece in pieces)


def test_files_in_a_target_are_merged_by_the_whole_key(make: Make, tmp_path: Path) -> None:
    target = FilesTarget(tmp_path / "revenue")
    target.load(make(rows := sold(40, times=3), merge=MERGE))
    assert target.manifest()["key"] == list(KEY)
    assert target.rows() == sorted(({column: row[column] for column in COLUMNS} for row in merged(rows)), key=str)


@pytest.mark.parametrize(
    "unique",
    [("day", "user_id"), ("day", "shop_id"), ("shop_id", "user_id"), ("day", "shop_id", "user_id", "purchases")],
)
def test_a_target_that_is_unique_in_other_columns_is_refused(
    target: LoaderTarget, make: Make, unique: tuple[str, ...]
) -> None:
    text = target.pick(sqlite="TEXT", postgres="varchar(60)", mariadb="varchar(60)")
    target.init(run := make(sold(5)))
    target.execute(
        "DROP TABLE revenue",
        f"CREATE TABLE revenue (shop_id bigint NOT NULL, user_id {text} NOT NULL, "
        f"day {target.pick(sqlite='TEXT') or 'DATE'} NOT NULL, "
        f"revenue {target.pick(sqlite='TEXT') or 'DECIMAL(28,2)'}, purchases bigint, UNIQUE ({', '.join(unique)}))",
    )
    with pytest.raises(InputError) as error:
        target.load(run)
    assert error.value.what == "revenue has another unique key than (day, shop_id, user_id)."
    assert "Make (day, shop_id, user_id) its primary key" in error.value.fix
    assert target.rows(COLUMNS) == []


def test_a_key_that_stands_in_two_parts_is_refused(target: LoaderTarget, make: Make) -> None:
    rows = sold(9)
    target.init(make(rows))
    with pytest.raises((InputError, IntegrityError)) as error:
        target.load(make([*rows, {**rows[0]}], 2))
    assert "twice" in str(error.value) or "duplicate" in str(error.value).lower()
    assert target.rows(COLUMNS) == []


@pytest.mark.parametrize("column", KEY)
def test_a_part_without_a_value_in_any_column_of_the_key_is_refused(make: Make, tmp_path: Path, column: str) -> None:
    run = make(rows := sold(9))
    nullable = pa.schema([each.with_nullable(True) for each in SCHEMA])
    bent = LoaderRun(tmp_path / "staging", rows, schema=nullable, key=KEY)
    bent.parts[0] = parquet_of([{**row, column: None} for row in bent.rows_of(0)], nullable)
    bent.receipts = {shard: bent._receipt(shard) for shard in range(bent.shards)}
    with pytest.raises(IntegrityError) as error:
        FilesTarget(tmp_path / "revenue").load(bent.write())
    assert "has rows without a key" in error.value.what
    assert error.value.why == f"{column} is NULL."
    assert run.key == KEY


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        (["shop_id", "nobody"], "has the key nobody, which is no column of it"),
        (["user_id", "shop_id"], "another transform, key"),
    ],
)
def test_receipts_that_tell_of_different_keys_are_refused(
    make: Make, tmp_path: Path, key: list[str], fault: str
) -> None:
    run = make(sold(9))
    run.receipts[1]["key"] = key
    with pytest.raises(IntegrityError, match="don't fit") as error:
        FilesTarget(tmp_path / "revenue").load(run.write())
    assert fault in error.value.why


def test_a_key_that_is_too_long_for_an_index_is_refused_with_what_to_do(
    mysql_family_database: str, tmp_path: Path
) -> None:
    target = mysql_family_target(mysql_family_database)
    for count in (3, 4):
        key = tuple(f"part_{number}" for number in range(count))
        columns = [pa.field(name, pa.string(), nullable=False) for name in key]
        schema = pa.schema([*columns, pa.field("revenue", pa.decimal128(28, 2))])
        rows = [{**dict.fromkeys(key, "é" * 255), "revenue": Decimal("1.00")}]
        run = LoaderRun(tmp_path, rows, schema=schema, key=key).write()
        if count == 3:
            target.init(run)
            assert target.load(run).loaded.inserted == 1
            target.execute("DROP TABLE revenue")
            continue
        with pytest.raises(InputError, match="can't index a key that long") as error:
            target.init(run)
        assert "3072 bytes" in error.value.why
        assert "with shorter columns" in error.value.fix
