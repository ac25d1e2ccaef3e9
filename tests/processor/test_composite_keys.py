"""Transforms of shards whose key is several columns: parts keyed by all of them, and every broken promise named."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from processor.transform import Contract, Day
from staging.errors import InputError, IntegrityError, PenstockError
from staging.key import Key
from staging.window import Window
from tests.processor.runs import Runs
from tests.shop.hand_made_export import DAY, WINDOW, HandMade, Row, purchases, put_in_folder
from tests.shop.shard_reference import shard_of_key

KEY = ["shop_id", "user_id"]
SCHEMA = pa.schema(
    [
        pa.field("shop_id", pa.int64(), nullable=False),
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("purchased_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("amount", pa.decimal128(12, 2), nullable=False),
    ]
)
FUNCTION = "splitmix64(fibonacci-u64, xxh64)"
ROWS: list[Row] = [
    {**row, "shop_id": row["user_id"] % 7 - 3, "user_id": f"user {row['user_id'] // 7}"}
    for row in purchases(1500, users=150)
]
CONTRACT = """
MONEY = pl.Decimal(28, 2)
def contract(day):
    schema = pl.Schema({"shop_id": pl.Int64(), "revenue": MONEY, "user_id": pl.String()})
    return Contract(schema=schema, key=("shop_id", "user_id"), conserves={"revenue": "amount"})
def grouped(rows):
    found = rows.group_by("shop_id", "user_id").agg(revenue=pl.col("amount").sum().cast(MONEY))
    return found.select("shop_id", "revenue", "user_id")
"""


class CompositeHandMade(HandMade):
    """An export keyed by the first two columns."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.manifest["source"] |= {"key": KEY, "time": "purchased_at"}

    def shard_rows(self, shard: int) -> list[Row]:
        return [row for row in self.rows if shard_of_key([row[name] for name in KEY], self.shards) == shard]


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    runs = Runs((tmp_path / "staging").as_uri(), tmp_path, sets=("source.key=shop_id,user_id",))
    CompositeHandMade(put_in_folder(runs.stored()), ROWS, SCHEMA, shards=3, shard_function=FUNCTION).commit()
    return runs


def expected() -> dict[tuple[int, str], tuple[Decimal, int]]:
    found: dict[tuple[int, str], tuple[Decimal, int]] = defaultdict(lambda: (Decimal(0), 0))
    for row in ROWS:
        money, count = found[row["shop_id"], row["user_id"]]
        found[row["shop_id"], row["user_id"]] = money + row["amount"], count + 1
    return dict(found)


def part(runs: Runs, shard: int) -> list[Row]:
    found: list[Row] = pq.read_table(pa.BufferReader(runs.written()[f"part-{shard:05d}.parquet"])).to_pylist()
    return found


def module(expression: str, contract: str = CONTRACT) -> str:
    return f"{contract}\ndef apply(rows, day):\n    return {expression}\ntransform = Transform(contract, apply)\n"


def refused(runs: Runs, text: str, kind: type[PenstockError], *named: str) -> None:
    runs.module(text)
    with pytest.raises(PenstockError) as error:
        runs.process()
    told = str(error.value)
    assert type(error.value) is kind, told
    assert all(part in told for part in named), told
    assert runs.written() == {}


def test_the_built_in_transform_has_a_row_for_each_whole_key_in_its_shard_and_in_order(runs: Runs) -> None:
    runs.process()
    found: dict[tuple[int, str], tuple[Decimal, int]] = {}
    for shard in range(3):
        rows = part(runs, shard)
        keys = [(row["shop_id"], row["user_id"]) for row in rows]
        assert keys == sorted(keys)
        assert {shard_of_key(key, 3) for key in keys} == {shard}
        assert runs.receipt(shard)["key"] == KEY
        assert runs.receipt(shard)["output_columns"].keys() == {*KEY, "revenue", "purchases"}
        found |= {key: (row["revenue"], row["purchases"]) for key, row in zip(keys, rows, strict=True)}
    assert found == expected()


def test_a_transform_of_ones_own_may_order_its_columns_otherwise(runs: Runs) -> None:
    runs.module(module("grouped(rows)"))
    runs.process()
    rows = [row for shard in range(3) for row in part(runs, shard)]
    assert {(row["shop_id"], row["user_id"]): row["revenue"] for row in rows} == {
        key: money for key, (money, _) in expected().items()
    }
    assert runs.receipt(0)["key"] == KEY


@pytest.mark.parametrize(
    ("expression", "kind", "named"),
    [
        pytest.param(
            "rows.select('shop_id', pl.col('amount').cast(MONEY).alias('revenue'), 'user_id')",
            InputError,
            ["(shop_id, user_id) is not unique: (-3, 'user "],
            id="key twice",
        ),
        pytest.param(
            "grouped(rows).with_columns(pl.when(pl.col('shop_id') > 0).then('shop_id'))",
            InputError,
            ["rows have no shop_id"],
            id="first column NULL",
        ),
        pytest.param(
            "grouped(rows).with_columns(pl.when(pl.col('user_id') > 'user 1').then('user_id'))",
            InputError,
            ["rows have no user_id"],
            id="last column NULL",
        ),
        pytest.param(
            "grouped(rows.with_columns(pl.lit('all').alias('user_id')))",
            InputError,
            ["(shop_id, user_id) of", "rows belongs to another shard", "'all')"],
            id="foreign keys",
        ),
        pytest.param("grouped(rows.filter(pl.col('shop_id') > 0))", IntegrityError, ["conserve amount"], id="lost"),
    ],
)
def test_a_broken_promise_names_the_columns_and_the_keys(
    runs: Runs, expression: str, kind: type[PenstockError], named: list[str]
) -> None:
    refused(runs, module(expression), kind, "mine:transform", *named)


@pytest.mark.parametrize(
    ("key", "named"),
    [
        ('"user_id"', ["its key is user_id, the shards' key shop_id, user_id", "their key is shop_id, user_id"]),
        ('("user_id", "shop_id")', ["its key user_id has type String, the shards' key Int64"]),
        ('("shop_id", "nobody")', ["its key 'nobody' is not in its schema"]),
        ('("shop_id", "shop_id")', ["its key ('shop_id', 'shop_id') names a column twice"]),
        ("()", ["its key () is neither a column's name nor a tuple of names"]),
        ("5", ["its key 5 is neither a column's name nor a tuple of names"]),
        ('("shop_id", 5)', ["its key ('shop_id', 5) is neither"]),
    ],
)
def test_a_contract_with_another_key_is_refused_by_name(runs: Runs, key: str, named: list[str]) -> None:
    contract = CONTRACT.replace('key=("shop_id", "user_id")', f"key={key}")
    refused(runs, module("grouped(rows)", contract), InputError, *named)


def test_a_list_of_names_is_a_key_too(runs: Runs) -> None:
    runs.module(module("grouped(rows)", CONTRACT.replace('key=("shop_id", "user_id")', 'key=["shop_id", "user_id"]')))
    runs.process()
    assert runs.receipt(2)["key"] == KEY


def test_a_partial_output_says_of_all_columns_but_its_key_how_they_merge(runs: Runs) -> None:
    merge = 'conserves={"revenue": "amount"}, merge={"revenue": "sum"}'
    partial = CONTRACT.replace('conserves={"revenue": "amount"}', merge)
    runs.module(module("grouped(rows)", partial))
    runs.process()
    assert runs.receipt(0)["merge"] == {"revenue": "sum"}
    wrong = partial.replace('{"revenue": "sum"}', '{"revenue": "sum", "user_id": "min"}')
    refused_runs = Runs(runs.url, runs.folder, sets=runs.sets)
    refused_runs.module(module("grouped(rows)", wrong))
    with pytest.raises(InputError, match="it merges its key user_id"):
        refused_runs.process(run_id="run-0001")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"key": ["user_id", "shop_id"]}, "its first columns are not key and time"),
        ({"key": "shop_id"}, "its first columns are not key and time"),
        ({"key": ["shop_id"]}, "source.key"),
        ({"key": []}, "source.key"),
    ],
)
def test_a_manifest_that_names_another_key_than_its_columns_is_refused(
    tmp_path: Path, change: dict[str, Any], fault: str
) -> None:
    runs = Runs((tmp_path / "staging").as_uri(), tmp_path, sets=("source.key=shop_id,user_id",))
    made = CompositeHandMade(put_in_folder(runs.stored()), ROWS, SCHEMA, shards=3, shard_function=FUNCTION)
    made.manifest["source"] |= change
    made.commit()
    with pytest.raises(IntegrityError) as error:
        runs.process()
    assert fault in error.value.why


@pytest.mark.parametrize("function", ["fibonacci-u64", "splitmix64(xxh64, fibonacci-u64)"])
def test_a_manifest_that_names_another_shard_function_is_refused(tmp_path: Path, function: str) -> None:
    runs = Runs((tmp_path / "staging").as_uri(), tmp_path, sets=("source.key=shop_id,user_id",))
    CompositeHandMade(put_in_folder(runs.stored()), ROWS, SCHEMA, shards=3, shard_function=function).commit()
    with pytest.raises(IntegrityError) as error:
        runs.process()
    assert f"{function} is not the shard function of shop_id, user_id" in error.value.why


def test_rows_in_a_shard_that_their_whole_key_does_not_belong_to_are_found(tmp_path: Path) -> None:
    class Swapped(CompositeHandMade):
        def shard_rows(self, shard: int) -> list[Row]:
            return [row for row in self.rows if shard_of_key([row[name] for name in reversed(KEY)], 3) == shard]

    runs = Runs((tmp_path / "staging").as_uri(), tmp_path, sets=("source.key=shop_id,user_id",))
    Swapped(put_in_folder(runs.stored()), ROWS, SCHEMA, shards=3, shard_function=FUNCTION).commit()
    with pytest.raises(IntegrityError, match="not what its manifest says") as error:
        runs.process()
    assert "a key of another shard" in error.value.why


def test_a_day_and_a_contract_spell_a_key_as_the_pipeline_does() -> None:
    keys: list[tuple[Key, tuple[str, ...]]] = [
        ("user_id", ("user_id",)),
        (("shop_id", "user_id"), ("shop_id", "user_id")),
    ]
    for key, columns in keys:
        day = Day(DAY, "Europe/Berlin", Window(*WINDOW), "daily_revenue", key, "at", ("amount",), schema=pl.Schema())
        assert (day.key, day.key_columns) == (key, columns)
        assert Contract(pl.Schema(), key).key_columns == columns
