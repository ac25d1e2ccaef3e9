"""What a transform promises is proven on each shard: a broken promise is named, and nothing is written."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from staging.errors import InputError, IntegrityError, PenstockError
from tests.processor.runs import Runs
from tests.shop.hand_made_export import SCHEMA, HandMade, purchases, put_in_folder

CONTRACT = """
MONEY = pl.Decimal(28, 2)
CENT = pl.lit("0.01").cast(pl.Decimal(12, 2))
def contract(day):
    schema = pl.Schema({"user_id": pl.Int64(), "revenue": MONEY})
    return Contract(schema=schema, key="user_id", conserves={"revenue": "amount"})
def grouped(rows):
    return rows.group_by("user_id").agg(revenue=pl.col("amount").sum().cast(MONEY))
"""
ROWS = purchases(400, users=60)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    runs = Runs((tmp_path / "staging").as_uri(), tmp_path)
    HandMade(put_in_folder(runs.stored()), ROWS, shards=3).commit()
    return runs


def answer(expression: str, contract: str = CONTRACT) -> str:
    return f"{contract}\ndef apply(rows, day):\n    return {expression}\ntransform = Transform(contract, apply)\n"


def refused(runs: Runs, text: str, kind: type[PenstockError], *named: str) -> None:
    runs.module(text)
    with pytest.raises(PenstockError) as error:
        runs.process()
    told = str(error.value)
    assert type(error.value) is kind, told
    assert all(part in told for part in ("mine:transform", *named)), told
    assert runs.written() == {}


def test_a_kept_promise_is_written_with_its_proof(runs: Runs) -> None:
    runs.module(answer("grouped(rows)"))
    runs.process()
    proof = [runs.receipt(n)["conserved"][0] for n in range(3)]
    assert sum(Decimal(kept["part"]) for kept in proof) == sum(row["amount"] for row in ROWS)
    assert all(kept["shard"] == kept["part"] and kept["quarantine"] == "0.00" for kept in proof)
    assert all(runs.receipt(n)["transform"] == "mine:transform" for n in range(3))


@pytest.mark.parametrize(
    ("expression", "kind", "named"),
    [
        pytest.param("grouped(rows.head(10))", IntegrityError, ["does not conserve amount"], id="rows lost"),
        pytest.param("grouped(rows.filter(pl.col('amount') > 0))", IntegrityError, ["conserve amount"], id="filtered"),
        pytest.param(
            "grouped(pl.concat([rows, rows.head(1)]))", IntegrityError, ["conserve amount"], id="rows doubled"
        ),
        pytest.param(
            "grouped(pl.concat([rows, rows.head(1).with_columns(amount=CENT)]))",
            IntegrityError,
            ["-0.01 of it is not in revenue"],
            id="one cent too much",
        ),
        pytest.param("grouped(rows).head(0)", IntegrityError, ["conserve amount"], id="nothing at all"),
        pytest.param(
            "rows.select('user_id', revenue=pl.col('amount').cast(MONEY))",
            InputError,
            ["user_id is not unique"],
            id="key twice",
        ),
        pytest.param(
            "grouped(rows).with_columns(pl.when(pl.col('user_id') > 3).then('user_id'))",
            InputError,
            ["have no user_id"],
            id="key NULL",
        ),
        pytest.param(
            "grouped(rows.with_columns(pl.col('user_id') % 5))",
            InputError,
            ["belongs to another shard"],
            id="foreign keys",
        ),
        pytest.param(
            "grouped(rows).select('revenue', 'user_id')",
            InputError,
            ["another schema", "revenue Decimal(28, 2), user_id"],
            id="order",
        ),
        pytest.param(
            "grouped(rows).with_columns(x=1)", InputError, ["another schema", "x Int32"], id="one column more"
        ),
        pytest.param("grouped(rows).select('user_id')", InputError, ["another schema"], id="one column less"),
        pytest.param(
            "grouped(rows).cast({'revenue': pl.Float64})", InputError, ["another schema", "revenue Float64"], id="float"
        ),
        pytest.param(
            "rows.group_by('user_id').agg(revenue=pl.col('amount').sum())",
            InputError,
            ["another schema", "Decimal(38, 2)"],
            id="decimal of another precision",
        ),
    ],
)
def test_a_broken_promise_is_named(runs: Runs, expression: str, kind: type[PenstockError], named: list[str]) -> None:
    refused(runs, answer(expression), kind, *named)


SPLIT = """Split(
    grouped(rows.filter(pl.col("amount") >= 0)),
    rows.filter(pl.col("amount") < 0).with_columns(reason=pl.lit("refund")),
)"""


def test_rows_that_leave_through_quarantine_are_kept_counted_and_proven(runs: Runs) -> None:
    runs.module(answer(SPLIT))
    runs.process()
    refunds = [row for row in ROWS if row["amount"] < 0]
    receipts = [runs.receipt(n) for n in range(3)]
    assert sum(r["rows_quarantined"] for r in receipts) == len(refunds)
    assert all(r["quarantine_reasons"] == {"refund": r["rows_quarantined"]} for r in receipts)
    assert sum(Decimal(r["conserved"][0]["quarantine"]) for r in receipts) == sum(r["amount"] for r in refunds)
    tables = [pq.read_table(pa.BufferReader(data)) for name, data in runs.written().items() if name.startswith("quar")]
    assert tables[0].column_names == [*SCHEMA.names, "reason"]
    kept = [row for table in tables for row in table.to_pylist()]
    assert sorted((r["user_id"], r["purchased_at"], r["amount"]) for r in kept) == sorted(
        (r["user_id"], r["purchased_at"], r["amount"]) for r in refunds
    )


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        pytest.param("Split(grouped(rows), rows.head(0))", ["quarantine", "another schema"], id="no reason column"),
        pytest.param(
            "Split(grouped(rows), rows.with_columns(reason=pl.lit(None, pl.String)))",
            ["without a reason"],
            id="reason NULL",
        ),
        pytest.param(
            "Split(grouped(rows), rows.with_columns(reason=pl.lit('')))", ["without a reason"], id="reason empty"
        ),
        pytest.param(
            "Split(grouped(rows), pl.concat([rows, rows]).with_columns(reason=pl.lit('x')))",
            ["rows aside of a shard"],
            id="rows twice",
        ),
        pytest.param("Split(grouped(rows), None)", ["no LazyFrame for its quarantine", "NoneType"], id="None"),
    ],
)
def test_a_quarantine_of_another_shape_is_refused(runs: Runs, expression: str, named: list[str]) -> None:
    refused(runs, answer(expression), InputError, *named)


LIAR = """
def apply(rows, day):
    planned = pl.Schema({"user_id": pl.Int64(), "revenue": MONEY})
    return grouped(rows).map_batches(
        lambda frame: frame.cast({"revenue": pl.Float64}), schema=planned, validate_output_schema=False
    )
transform = Transform(contract, apply)
"""


def test_rows_of_another_schema_than_the_transform_planned_are_refused(runs: Runs) -> None:
    refused(runs, f"{CONTRACT}{LIAR}", InputError, "Float64")


ASIDE = """Split(
    grouped(rows.filter(pl.col("amount") >= 0)),
    rows.filter(pl.col("amount") < 0).with_columns(reason=pl.lit("refund")).map_batches(
        lambda frame: frame.cast({"amount": pl.Float64}),
        schema=pl.Schema({**day.schema, "reason": pl.String()}),
        validate_output_schema=False,
    ),
)"""


def test_quarantined_rows_of_another_schema_than_the_transform_planned_are_refused(runs: Runs) -> None:
    refused(runs, answer(ASIDE), InputError, "Float64")


def test_five_keys_that_are_there_twice_are_shown_and_the_others_counted(runs: Runs) -> None:
    twice = answer("rows.select('user_id', revenue=pl.col('amount').cast(MONEY))")
    refused(runs, twice, InputError, "not unique: 0, ", " more")


@pytest.mark.parametrize("kinds", [1000, 1001])
def test_a_shard_has_a_thousand_reasons_at_most(tmp_path: Path, kinds: int) -> None:
    runs = Runs((tmp_path / "staging").as_uri(), tmp_path)
    HandMade(put_in_folder(runs.stored()), purchases(kinds), shards=1).commit()
    text = answer("Split(grouped(rows.head(0)), rows.with_columns(reason=pl.int_range(pl.len()).cast(pl.String)))")
    if kinds > 1000:
        refused(runs, text, InputError, "1001 different reasons")
    else:
        runs.module(text)
        runs.process()
        assert sum(runs.receipt(0)["quarantine_reasons"].values()) == 1000


def test_rows_both_in_quarantine_and_in_the_output_are_not_conserved(runs: Runs) -> None:
    both = "Split(grouped(rows), rows.head(1).with_columns(reason=pl.lit('also there')))"
    refused(runs, answer(both), IntegrityError, "does not conserve amount")


@pytest.mark.parametrize(
    ("contract", "named"),
    [
        ("Contract(schema=pl.Schema({'a': pl.Int64()}), key='user_id')", ["key 'user_id' is not in its schema"]),
        ("Contract(schema=pl.Schema({'user_id': pl.Int32()}), key='user_id')", ["has type Int32", "Int64"]),
        (
            "Contract(schema=pl.Schema({'user_id': pl.Int64(), 'l': pl.List(pl.Int8)}), key='user_id')",
            ["l has type List"],
        ),
        (
            "Contract(schema=pl.Schema({'user_id': pl.Int64(), 'r': MONEY}), key='user_id', conserves={'x': 'y'})",
            ["output have no column 'x'", "shards have no column 'y'"],
        ),
        (
            "Contract(pl.Schema({'user_id': pl.Int64(), 'r': pl.Float64()}), 'user_id', {'r': 'amount'})",
            ["conserves r of type Float64", "no exact sum"],
        ),
        ("{'user_id': 'Int64'}", ["is of type dict"]),
    ],
)
def test_a_promise_that_can_not_hold_is_refused_before_a_shard_is_fetched(
    runs: Runs, contract: str, named: list[str]
) -> None:
    for shard in runs.stored().glob("**/shard=*/0.parquet"):
        shard.unlink()
    refused(
        runs,
        answer("rows", f"MONEY = pl.Decimal(28, 2)\ndef contract(day):\n    return {contract}"),
        InputError,
        *named,
    )


def test_a_transform_that_declares_no_sum_says_so_each_time(runs: Runs) -> None:
    runs.module(answer("grouped(rows.head(5))", CONTRACT.replace(', conserves={"revenue": "amount"}', "")))
    said = runs.process()
    assert said[0] == "The transform mine:transform declares no sum: this run is not conserved."
    assert all(runs.receipt(n)["conserved"] == [] for n in range(3))


def test_sums_of_another_scale_are_compared_as_numbers(runs: Runs) -> None:
    finer = CONTRACT.replace("pl.Decimal(28, 2)", "pl.Decimal(28, 4)")
    runs.module(answer("grouped(rows)", finer))
    runs.process()
    assert runs.receipt(0)["conserved"][0]["part"] == runs.receipt(0)["conserved"][0]["shard"] + "00"


def test_the_transform_knows_the_day(runs: Runs) -> None:
    check = """
    import datetime
    assert (day.day, day.timezone, day.pipeline) == (datetime.date(2026, 11, 14), "Europe/Berlin", "daily_revenue")
    assert (day.key, day.time, day.columns) == ("user_id", "purchased_at", ("amount",))
    assert day.window.hours() == 24 and list(day.schema) == ["user_id", "purchased_at", "amount"]
    assert rows.collect_schema() == day.schema
    return grouped(rows)
"""
    runs.module(f"{CONTRACT}\ndef apply(rows, day):{check}transform = Transform(contract, apply)\n")
    runs.process()
    assert len(runs.written()) == 6
