"""Partial parts become one row a key in the target: exactly, in every database and in Parquet files, and proven."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from loader import merge
from loader.merge import merge_parts
from loader.run_inputs import RunInputs, read_run_inputs
from staging.errors import InputError, IntegrityError
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import Cancel
from tests.loader.parquet.test_target import FilesTarget
from tests.loader.runs import LoaderRun
from tests.loader.target_fixtures import LoaderTarget, expected_rows

pytestmark = pytest.mark.integration

MERGE = {"revenue": "sum", "purchases": "max"}
Make = Callable[..., LoaderRun]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    (tmp_path / "staging").mkdir()

    def new(rows: list[dict[str, Any]], number: int = 1, how: dict[str, str] = MERGE, **options: Any) -> LoaderRun:
        ids = {"run_id": f"run-{number:04d}", "export_id": f"export-{number:04d}", "fence": number}
        run = LoaderRun(tmp_path / "staging", rows, **{**ids, **options})
        for receipt in run.receipts.values():
            receipt["merge"] = how
        return run.write()

    return new


def partial(keys: int, *, cents: int = 1) -> list[dict[str, Any]]:
    """Three rows a key, each in another shard of three."""
    return [
        {"user_id": i // 3 - 5, "revenue": Decimal((i * 37 % 1000 - 300) * cents) / 100, "purchases": i * 7 % 11}
        for i in range(keys * 3)
    ]


def oracle(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        old = found.setdefault(row["user_id"], {**row, "revenue": Decimal(0), "purchases": row["purchases"]})
        old["revenue"] += row["revenue"]
        old["purchases"] = max(old["purchases"], row["purchases"])
    return list(found.values())


def test_the_target_has_one_row_a_key(target: LoaderTarget, make: Make) -> None:
    target.init(run := make(rows := partial(40)))
    outcome = target.load(run)
    merged = oracle(rows)
    assert target.rows() == expected_rows(str(run.day), merged)
    assert (outcome.loaded.rows, outcome.loaded.inserted) == (40, 40)
    assert Decimal(outcome.loaded.totals["revenue"]) == sum(row["revenue"] for row in rows)
    assert target.load(run).already
    changed = make([*rows[:-3], *({**row, "purchases": 99} for row in rows[-3:])], 2)
    outcome = target.load(changed)
    assert (outcome.loaded.inserted, outcome.loaded.updated, outcome.loaded.deleted) == (0, 1, 0)
    assert not [check for check in target.verify(changed).checks if not check.ok and check.name != "shards"]


def test_a_merge_that_lost_a_row_would_be_found_before_the_target_changes(
    sqlite_database: str, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no such merge that we know of: so a faulty one is put in its place."""
    monkeypatch.setattr(
        "loader.stage_parts.merge_parts", lambda *given, **named: (rows[1:] for rows in merge_parts(*given, **named))
    )
    target = LoaderTarget("sqlite", sqlite_database)
    target.init(run := make(partial(20)))
    with pytest.raises(IntegrityError, match="Merging changed a sum"):
        target.load(run)
    assert target.rows() == []


def test_a_parquet_target_gets_merged_files(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge.merge_parts, "__kwdefaults__", {"piece_rows": 50})
    target = FilesTarget(tmp_path / "revenue")
    run = make(rows := partial(40))
    outcome = target.load(run)
    assert target.rows() == sorted(oracle(rows), key=str)
    assert len(target.manifest()["parts"]) == 3
    assert outcome.loaded.rows == target.manifest()["rows"] == 40
    assert [check.name for check in target.verify(run).checks if not check.ok] == ["shards"]
    again = target.load(make(rows, 2))
    assert (again.loaded.inserted, again.loaded.deleted) == (0, 0)


def inputs_of(run: LoaderRun) -> tuple[RunInputs, list[pl.DataFrame]]:
    with open_store(run.staging_url) as store:
        inputs = read_run_inputs(store, DayNames(run.pipeline, run.day), run.run_id)
    return inputs, [pl.read_parquet(run.path(f"part-{shard:05d}.parquet")) for shard in range(run.shards)]


@pytest.mark.parametrize("piece_rows", [1, 7, 1000])
def test_pieces_hold_each_key_once_whatever_their_size(make: Make, piece_rows: int) -> None:
    inputs, parts = inputs_of(make(rows := partial(60)))
    merged = list(merge_parts(parts, inputs, Cancel(), piece_rows=piece_rows))
    assert sorted(pl.concat(merged).rows()) == sorted(tuple(row.values()) for row in oracle(rows))
    assert all(piece["user_id"].is_sorted() for piece in merged)
    assert len(merged) == 1 or piece_rows < 1000


def test_a_sum_that_does_not_fit_is_refused_and_none_wraps(make: Make) -> None:
    money = [{"user_id": 1, "revenue": Decimal("9" * 26 + ".99"), "purchases": 1} for _ in range(3)]
    inputs, parts = inputs_of(make(money))
    with pytest.raises(InputError, match="can't be merged"):
        list(merge_parts(parts, inputs, Cancel()))
    counts = [{"user_id": 1, "revenue": Decimal(0), "purchases": 2**62} for _ in range(3)]
    inputs, parts = inputs_of(make(counts, 2, how={"revenue": "sum", "purchases": "sum"}))
    with pytest.raises(InputError, match="can't be merged"):
        list(merge_parts(parts, inputs, Cancel()))


def test_nulls_count_for_nothing_and_only_nulls_give_null(make: Make) -> None:
    values = [None, Decimal("1.50"), None, None, None, None]
    rows = [{"user_id": i // 3, "revenue": money, "purchases": None} for i, money in enumerate(values)]
    inputs, parts = inputs_of(make(rows, money=None))
    (merged,) = merge_parts(parts, inputs, Cancel())
    assert merged.rows() == [(0, Decimal("1.50"), None), (1, None, None)]


def test_a_key_without_a_stable_hash_is_merged_in_one_piece(make: Make) -> None:
    schema = pa.schema([("user_id", pa.bool_()), ("revenue", pa.decimal128(28, 2)), ("purchases", pa.int64())])
    rows = [{"user_id": i % 2 == 0, "revenue": Decimal(i), "purchases": i} for i in range(6)]
    inputs, parts = inputs_of(make(rows, schema=schema))
    (merged,) = merge_parts(parts, inputs, Cancel(), piece_rows=1)
    assert merged.rows() == [(False, Decimal(9), 5), (True, Decimal(6), 4)]
