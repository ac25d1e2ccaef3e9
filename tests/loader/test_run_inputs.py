"""A run's documents, its parts and what a target has are compared in each single thing; no database is asked."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from loader.conservation import add_up, check_declared_sums, part_faults, raise_if_any, sum_columns
from loader.parts import fetch_objects
from loader.run_inputs import RunInputs, read_run_inputs
from loader.target.content import Content, DayCount, content_faults
from staging.errors import IntegrityError, InterruptedRunError
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import Cancel
from tests.loader.runs import LoaderRun, Make, revenue, unwritten_runs

Bend = Callable[[LoaderRun], None]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return unwritten_runs(tmp_path)


def read(run: LoaderRun) -> RunInputs:
    with open_store(run.staging_url) as store:
        return read_run_inputs(store, DayNames(run.pipeline, run.day), run.run_id)


def of_all(**changes: Any) -> Bend:
    """Bend all receipts alike: so none differs from the first."""

    def bend(run: LoaderRun) -> None:
        for receipt in run.receipts.values():
            receipt.update(changes)

    return bend


def conserved(**changes: Any) -> Bend:
    def bend(run: LoaderRun) -> None:
        for receipt in run.receipts.values():
            receipt["conserved"][0].update(changes)

    return bend


def without_shards(run: LoaderRun) -> None:
    run.manifest.update(shards=[], rows=0, sums={})


DOCUMENTS: dict[str, tuple[Bend, str]] = {
    "a record of another run": (lambda run: run.record.update(run_id="run-0099"), "run.json is of another run"),
    "a record of another pipeline": (lambda run: run.record.update(pipeline="other"), "run.json is of another run"),
    "a record of another day": (lambda run: run.record.update(day="2026-11-13"), "run.json is of another run"),
    "an export without a shard": (without_shards, "has no shard"),
    "a key that is no column": (of_all(key="nobody"), "has the key nobody, which is no column of it"),
    "a column that nobody merges": (of_all(merge={"revenue": "sum"}), "does not say of every column how it is merged"),
    "a key that is merged": (
        of_all(merge={"user_id": "max", "revenue": "sum", "purchases": "sum"}),
        "does not say of every column how it is merged",
    ),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_documents_that_do_not_belong_together_are_refused(make: Make, case: str) -> None:
    bend, words = DOCUMENTS[case]
    bend(run := make())
    run.write()
    with pytest.raises(IntegrityError, match=words):
        read(run)


def test_a_partial_output_says_how_each_column_but_its_key_is_merged(make: Make) -> None:
    of_all(merge=(how := {"revenue": "sum", "purchases": "max"}))(run := make())
    assert read(run.write()).merge == how


@pytest.mark.parametrize(("missing", "told"), [(5, "receipt: 0, 1, 2, 3, 4."), (6, "receipt: 0, 1, 2, 3, 4, ….")])
def test_five_shards_without_a_receipt_are_named(make: Make, missing: int, told: str) -> None:
    run = make(shards=7)
    run.receipts = {shard: receipt for shard, receipt in run.receipts.items() if shard >= missing}
    run.parts = {shard: run.parts[shard] for shard in run.receipts}
    with pytest.raises(IntegrityError) as refused:
        read(run.write())
    assert told in str(refused.value)


SUMS: dict[str, tuple[Bend, str]] = {
    "a source that is no column": (conserved(source="tax"), "no columns tax and revenue"),
    "an output that is no column": (conserved(output="profit"), "no columns amount and profit"),
    "half a cent in quarantine": (conserved(quarantine="0.005"), "0.005 in quarantine"),
    "a part of half a cent": (conserved(part="0.005"), "became 0.005"),
}


@pytest.mark.parametrize("case", SUMS)
def test_declared_sums_that_can_not_be_are_refused(make: Make, case: str) -> None:
    bend, words = SUMS[case]
    bend(run := make())
    with pytest.raises(IntegrityError, match=words):
        check_declared_sums(read(run.write()))


def test_a_sum_that_no_shard_has_is_not_taken_for_proven(make: Make) -> None:
    run = make()
    run.manifest["sums"] = {}
    for shard in run.manifest["shards"]:
        shard["sums"] = {}
    with pytest.raises(IntegrityError, match="amount adds up to None"):
        check_declared_sums(read(run.write()))


def test_a_part_of_other_rows_or_without_its_sum_is_named(make: Make) -> None:
    inputs = read(make().write())
    receipt, units = inputs.receipts[0], int(Decimal(inputs.receipts[0].conserved[0].part) * 100)
    assert list(part_faults(receipt, receipt.rows_out, {"revenue": units}, inputs.schema)) == []
    assert list(part_faults(receipt, receipt.rows_out + 1, {"revenue": units}, inputs.schema)) == [
        f"part 0 has {receipt.rows_out + 1} rows, its receipt says {receipt.rows_out}"
    ]
    (told,) = part_faults(receipt, receipt.rows_out, {}, inputs.schema)
    assert "adds up to no exact sum" in told
    (told,) = part_faults(receipt, receipt.rows_out, {"revenue": units + 1}, inputs.schema)
    assert f"adds up to {Decimal(units + 1) / 100}" in told


@pytest.mark.parametrize("digits", [1, 18, 19, 28, 29, 38])
def test_columns_of_up_to_38_digits_are_added_up_exactly(digits: int) -> None:
    draw = random.Random(digits)
    most = 10**digits - 1
    units = [draw.randint(-most, most) for _ in range(300)] + [most] * 200
    with localcontext(prec=80):
        column = pl.Series("a", [Decimal(each).scaleb(-1) for each in units], pl.Decimal(38, 1))
    if digits < 38:
        assert add_up(column) == sum(units)
    assert add_up(pl.Series("a", [Decimal(each) for each in units], pl.Decimal(38, 0))) == sum(units)


@pytest.mark.parametrize("values", [[], [None, None]])
@pytest.mark.parametrize("dtype", [pl.Decimal(38, 2), pl.Decimal(12, 2), pl.Int64()])
def test_nothing_adds_up_to_nothing(dtype: pl.DataType, values: list[None]) -> None:
    assert add_up(pl.Series("a", values, dtype)) == 0


def test_only_exact_numbers_beside_the_key_have_sums() -> None:
    schema = pl.Schema(
        {"id": pl.Int64(), "text": pl.String(), "share": pl.Float64(), "day": pl.Date(), "n": pl.Int32()}
        | {"money": pl.Decimal(12, 2), "other_key": pl.Int64()}
    )
    assert sum_columns(schema, ["id", "other_key"]) == ["n", "money"]


@pytest.mark.parametrize(("faults", "told"), [(5, "4"), (6, "4; and 1 more")])
def test_five_faults_are_shown(faults: int, told: str) -> None:
    raise_if_any([], "All is well.")
    with pytest.raises(IntegrityError) as refused:
        raise_if_any([str(number) for number in range(faults)], "All is lost.")
    assert refused.value.why == f"0; 1; 2; 3; {told}"


def test_a_target_of_other_rows_or_sums_is_named() -> None:
    content = Content(2, {"revenue": "1.50", "purchases": "3"}, "")
    right = {"revenue": "1.5", "purchases": "3"}
    assert list(content_faults(content, DayCount(2, right), "there")) == []
    assert list(content_faults(content, DayCount(1, right), "there")) == ["1 rows are there, 2 should be"]
    assert list(content_faults(content, DayCount(2, right | {"revenue": "1.51"}), "there")) == [
        "revenue adds up to 1.51, it should be 1.50"
    ]
    assert list(content_faults(content, DayCount(2, {"revenue": "1.50"}), "there")) == [
        "purchases adds up to nothing, it should be 3"
    ]


def test_a_load_that_is_to_stop_fetches_no_further_part(make: Make) -> None:
    inputs = read((run := make(rows=revenue(range(9)))).write())
    cancel = Cancel()
    with open_store(run.staging_url) as store:
        parts = fetch_objects(store, [receipt.part for receipt in inputs.receipts], cancel)
        next(parts)
        cancel.set()
        with pytest.raises(InterruptedRunError):
            next(parts)
