"""A transform may declare its output partial: rows of one key from several shards, with how they become one."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from staging.errors import InputError
from tests.processor.runs import Runs
from tests.shop.hand_made_export import PREFIX, RUN_ID, HandMade, purchases, put_in_folder

ROWS = purchases(400, users=60)
SCHEMA = '{"hour": pl.Int8(), "revenue": pl.Decimal(28, 2), "first_at": pl.Datetime("us", "UTC")}'
MERGE = '{"revenue": "sum", "first_at": "min"}'


def by_hour(schema: str = SCHEMA, merge: str = MERGE, conserves: str = '{"revenue": "amount"}') -> str:
    return f"""
def contract(day):
    return Contract(schema=pl.Schema({schema}), key="hour", conserves={conserves}, merge={merge})
def apply(rows, day):
    return rows.group_by(hour=pl.col(day.time).dt.hour()).agg(
        revenue=pl.col("amount").sum().cast(pl.Decimal(28, 2)), first_at=pl.col(day.time).min()
    )
transform = Transform(contract, apply)
"""


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    runs = Runs((tmp_path / "staging").as_uri(), tmp_path)
    HandMade(put_in_folder(runs.stored()), ROWS, shards=3).commit()
    return runs


def test_keys_of_a_partial_output_may_lie_in_several_shards(runs: Runs) -> None:
    runs.module(by_hour())
    runs.process()
    parts = sorted((runs.stored() / f"{PREFIX}run={RUN_ID}").glob("part-*"))
    hours = Counter(hour for part in parts for hour in pq.read_table(part)["hour"].to_pylist())
    assert max(hours.values()) == 3
    assert all(runs.receipt(n)["merge"] == {"revenue": "sum", "first_at": "min"} for n in range(3))
    assert sum(Decimal(runs.receipt(n)["conserved"][0]["part"]) for n in range(3)) == sum(r["amount"] for r in ROWS)


def test_without_a_merge_the_same_output_is_refused(runs: Runs) -> None:
    runs.module(by_hour(merge="{}"))
    with pytest.raises(InputError, match="its key hour has type Int8, the shards' key Int64"):
        runs.process()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"merge": '{"revenue": "sum"}'}, "does not say how first_at is merged"),
        ({"merge": '{"revenue": "sum", "first_at": "mean"}'}, "merges first_at by 'mean'"),
        ({"merge": '{"revenue": "sum", "first_at": "sum"}'}, "sums first_at of type"),
        ({"merge": '{"revenue": "max", "first_at": "min"}'}, "conserves revenue, and merges it by max"),
        ({"merge": '{"revenue": "sum", "first_at": "min", "hour": "min"}'}, "merges its key hour"),
        (
            {"merge": '{"revenue": "sum", "first_at": "min", "more": "min"}'},
            "merges 'more', which is not in its schema",
        ),
        (
            {"schema": SCHEMA.replace("pl.Decimal(28, 2)", "pl.Float64()"), "conserves": "{}"},
            "sums revenue of type Float64",
        ),
        ({"schema": SCHEMA.replace("pl.Int8()", "pl.Float32()")}, "key hour is a floating-point number"),
    ],
)
def test_a_merge_that_can_not_be_exact_is_refused(runs: Runs, changed: dict[str, str], message: str) -> None:
    runs.module(by_hour(**changed))
    with pytest.raises(InputError, match="contract of the transform mine:transform can't hold") as caught:
        runs.process()
    assert message in str(caught.value)
    assert runs.written() == {}
