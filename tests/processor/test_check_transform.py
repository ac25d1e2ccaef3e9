"""The public door: a transform is tried on rows of one's own, and every promise that a task would check is checked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from penstock import Contract, Day, Split, Transform, check_transform
from processor.find_transform import find_transform
from processor.revenue import revenue_per_user
from staging.config.pipeline import ProcessConfig
from staging.errors import InputError, IntegrityError
from staging.process.author_module import find_source_digest

FRAME = pl.DataFrame(
    {
        "user_id": [1, 1, 2, 3],
        "at": [datetime(2026, 1, 15, hour) for hour in range(4)],  # noqa: DTZ001 - as a database gives it
        "amount": [Decimal("1.50"), Decimal("2.25"), Decimal("-1.00"), None],
    },
    schema_overrides={"amount": pl.Decimal(12, 2)},
)
MONEY = pl.Decimal(28, 2)


def a_contract(day: Day) -> Contract:
    return Contract(
        schema=pl.Schema({"user_id": pl.Int64(), "spent": MONEY}), key="user_id", conserves={"spent": day.columns[0]}
    )


def spent(rows: pl.LazyFrame, day: Day) -> pl.LazyFrame:
    return rows.group_by("user_id").agg(pl.col("amount").sum().cast(MONEY).alias("spent"))


def test_rows_quarantine_reasons_and_sums_are_given_back() -> None:
    tried = check_transform(revenue_per_user, FRAME)
    assert tried.rows.rows() == [(1, Decimal("3.75"), 2), (2, Decimal("-1.00"), 1)]
    assert tried.reasons == {"no amount": 1}
    assert tried.sums == {"revenue": "2.75"}
    assert tried.quarantine.get_column("user_id").to_list() == [3]


@pytest.mark.parametrize(
    ("apply", "error", "says"),
    [
        (
            lambda rows, day: spent(rows.filter(pl.col("user_id") > 1), day),
            IntegrityError,
            "3.75 of it is not in spent",
        ),
        (lambda rows, day: spent(rows.rename({"amount": "amuont"}), day), InputError, "planned an impossible output"),
        (
            lambda rows, day: rows.select("user_id", pl.col("amount").cast(MONEY).alias("spent")),
            InputError,
            "not unique",
        ),
        (
            lambda rows, day: spent(rows, day).with_columns(pl.col("spent").cast(pl.Float64)),
            InputError,
            "another schema",
        ),
        (lambda rows, day: spent(rows, day).collect(), InputError, "runs the frame itself"),
        (lambda rows, day: 1 / 0, InputError, "ZeroDivisionError"),
    ],
)
def test_a_broken_promise_is_named(
    apply: Callable[[pl.LazyFrame, Day], pl.LazyFrame], error: type[Exception], says: str
) -> None:
    with pytest.raises(error) as caught:
        check_transform(Transform(contract=a_contract, apply=apply), FRAME)
    assert says in str(caught.value)


def test_key_and_time_may_be_named_and_zones_are_taken() -> None:
    frame = FRAME.with_columns(pl.col("at").dt.replace_time_zone("Europe/Berlin"), shop=pl.lit(7)).select(
        "amount", "at", "user_id", "shop"
    )
    tried = check_transform(revenue_per_user, frame.select("shop", "user_id", "at", "amount"), key=("shop", "user_id"))
    assert tried.rows.columns[:2] == ["shop", "user_id"]
    with pytest.raises(InputError, match="has type"):
        check_transform(revenue_per_user, FRAME, time="amount")


@pytest.mark.parametrize(
    ("aside", "says"),
    [
        (lambda rows: rows.with_columns(reason=pl.lit(None, pl.String)), "sets 1 rows aside without a reason"),
        (lambda rows: rows.with_columns(reason=pl.lit("")), "sets 1 rows aside without a reason"),
        (
            lambda rows: pl.concat([rows.with_columns(reason=pl.lit("x"))] * 5),
            "sets 5 rows aside of a shard that has 4",
        ),
    ],
)
def test_what_is_set_aside_in_another_way_than_a_task_takes_is_named(
    aside: Callable[[pl.LazyFrame], pl.LazyFrame], says: str
) -> None:
    def apply(rows: pl.LazyFrame, day: Day) -> Split:
        return Split(spent(rows, day), aside(rows.filter(pl.col("amount").is_null())))

    with pytest.raises(InputError, match=says):
        check_transform(Transform(a_contract, apply), FRAME)


def test_what_is_set_aside_counts_for_the_sum() -> None:
    def apply(rows: pl.LazyFrame, day: Day) -> Split:
        aside = rows.filter(pl.col("user_id") == 1).with_columns(reason=pl.lit("one"))
        return Split(spent(rows.filter(pl.col("user_id") != 1), day), aside)

    tried = check_transform(Transform(contract=a_contract, apply=apply), FRAME)
    assert (tried.reasons, tried.sums) == ({"one": 2}, {"spent": "-1.00"})


@pytest.mark.parametrize("name", ["processor", "loader", "json", "chain", "mine"])
def test_a_module_beside_the_pipeline_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    before = sys.modules.get(name)
    (tmp_path / "beside.py").write_text("from penstock import Transform\n")
    (tmp_path / f"{name}.py").write_text(
        "from beside import Transform\nfrom processor.revenue import apply, contract\n"
        "chosen = Transform(contract=contract, apply=apply)\n"
    )
    try:
        process = ProcessConfig(transform=f"{name}:chosen")
        found = find_transform(process, [tmp_path])
        assert found is find_transform(process, [tmp_path])
        digest = find_source_digest(f"{name}:chosen")
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / f"{name}.py").write_text(f"{(tmp_path / f'{name}.py').read_text()}# another\n")
        assert find_transform(process, [tmp_path / "other", tmp_path]) is not found
        assert find_source_digest(f"{name}:chosen") != digest
        assert sys.modules.get(name) is before
    finally:
        sys.path[:] = [path for path in sys.path if not path.startswith(str(tmp_path))]
        for loaded in [key for key in sys.modules if key.startswith("penstock_author_") or key == "beside"]:
            del sys.modules[loaded]
