"""`export.shard = "file"`: foreign files are shards where they lie, counted and proven, and merged by the loader."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chain.create_tables import create_tables
from chain.diff.exports import diff_exports
from chain.diff.find import find_two_exports
from chain.diff.plan import plan_comparison
from loader.load_day import load_day
from loader.outcome import Outcome
from loader.verify.day import verify_day
from processor.assignment import read_assignment
from processor.process_task import process_task
from processor.task import Task
from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from staging.documents.manifest import Manifest
from staging.documents.manifest_check import check_manifest
from staging.errors import InputError, IntegrityError
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from tests.exporter.arrow.parquet_lake import pipeline_of
from tests.exporter.days import DAY, NOW, run_export

pytestmark = pytest.mark.integration

START = datetime(2026, 11, 13, 23, tzinfo=UTC)
RUN = "run-0001"
TRANSFORM = """
import polars as pl
from processor.transform import Contract, Day, Transform

def contract(day):
    schema = {"user_id": pl.Int64(), "revenue": pl.Decimal(28, 2), "purchases": pl.Int64()}
    schema["first_at"] = day.schema[day.time]
    merge = {"revenue": "sum", "purchases": "sum", "first_at": "min"}
    return Contract(pl.Schema(schema), "user_id", {"revenue": "amount"}, merge)

def apply(rows, day):
    return rows.group_by("user_id").agg(
        revenue=pl.col("amount").sum().cast(pl.Decimal(28, 2)),
        purchases=pl.len().cast(pl.Int64),
        first_at=pl.col(day.time).min(),
    )

partial = Transform(contract, apply)
"""


def table(first: int, rows: int, **columns: pa.Array) -> pa.Table:
    numbers = range(first, first + rows)
    made = {
        "note": pa.array([f"note {i}" for i in numbers], pa.string()),
        "amount": pa.array([Decimal(i * 31 % 997 - 300) / 100 for i in numbers], pa.decimal128(12, 2)),
        "purchased_at": pa.array([START + timedelta(seconds=50 * i) for i in numbers], pa.timestamp("us", "UTC")),
        "user_id": pa.array([i * 7 % 53 for i in numbers], pa.int64()),
    }
    return pa.table(made | columns)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    folder = tmp_path / "lake"
    folder.mkdir()
    (tmp_path / "mine_partial.py").write_text(TRANSFORM)
    return folder


def pipeline(folder: Path, *, transform: str = "mine_partial:partial") -> Pipeline:
    text = pipeline_of(folder, more=f'[process]\ntransform = "{transform}"\n')
    text = text.replace("shards = 3", 'shard = "file"')
    (folder / "pipeline.toml").write_text(text)
    return load_pipeline(folder / "pipeline.toml", environ={})


def process(settings: Pipeline, folder: Path) -> None:
    with open_store(settings.staging.url) as store:
        work = read_assignment(store, settings, DayNames(settings.name, DAY), RUN, [folder])
        scratch = folder / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        process_task(
            store, work, Task(0, 1, 0), scratch=scratch, cancel=Cancel(), progress=Progress(), say=lambda _: None
        )


def load(settings: Pipeline) -> Outcome:
    with open_store(settings.staging.url) as store:
        return load_day(settings, DAY, RUN, store=store, now=lambda: NOW, cancel=Cancel(), say=lambda _: None)


def oracle(*tables: pa.Table) -> dict[int, tuple[Decimal, int]]:
    found: dict[int, tuple[Decimal, int]] = defaultdict(lambda: (Decimal(0), 0))
    for row in (row for each in tables for row in each.to_pylist()):
        money, count = found[row["user_id"]]
        found[row["user_id"]] = money + row["amount"], count + 1
    return dict(found)


def test_files_are_shards_where_they_lie_and_keys_are_merged_in_the_target(lake: Path, tmp_path: Path) -> None:
    tables = [table(0, 400), table(400, 1), table(0, 0), table(401, 700)]
    for number, each in enumerate(tables):
        pq.write_table(each, lake / f"{number} %41.parquet", row_group_size=100)
    settings = pipeline(tmp_path)
    export = run_export(settings, run_id=RUN)
    shards = export.manifest["shards"]
    assert [shard["rows"] for shard in shards] == [400, 1, 0, 700]
    assert [shard["files"][0]["name"] for shard in shards if shard["rows"]] == [
        (lake / f"{n} %41.parquet").as_uri() for n in (0, 1, 3)
    ]
    assert not list((tmp_path / "staging").rglob("shard=*")), "nothing is copied"

    process(settings, tmp_path)
    create_tables(settings, apply=True, folders=[tmp_path])
    outcome = load(settings)
    expected = oracle(*tables)
    connection = sqlite3.connect(tmp_path / "target.sqlite")
    rows = connection.execute("SELECT user_id, revenue, purchases FROM revenue").fetchall()
    connection.close()
    assert {user: (Decimal(str(money)), count) for user, money, count in rows} == expected
    assert outcome.loaded.rows == len(expected) == 53
    assert Decimal(export.manifest["sums"]["amount"]) == sum(money for money, _ in expected.values())
    with open_store(settings.staging.url) as store:
        verified = verify_day(settings, DAY, store=store, cancel=Cancel(), say=lambda _: None)
    assert verified.ok, verified


@pytest.mark.parametrize("change", ["a row more", "a flipped bit", "gone"])
def test_a_file_that_changed_after_it_was_registered_is_not_processed(lake: Path, tmp_path: Path, change: str) -> None:
    path = lake / "0.parquet"
    pq.write_table(table(0, 40), path)
    settings = pipeline(tmp_path)
    run_export(settings, run_id=RUN)
    whole = path.read_bytes()
    path.unlink()
    if change == "a row more":
        pq.write_table(table(0, 41), path)
    elif change == "a flipped bit":
        path.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    with pytest.raises(IntegrityError, match=r"0\.parquet"):
        process(settings, tmp_path)
    assert not list((tmp_path / "staging").rglob("part-*"))


def test_a_transform_that_needs_whole_keys_is_refused_with_the_reason(lake: Path, tmp_path: Path) -> None:
    pq.write_table(table(0, 40), lake / "0.parquet")
    settings = pipeline(tmp_path, transform="processor.revenue:revenue_per_user")
    run_export(settings, run_id=RUN)
    with pytest.raises(InputError, match="needs whole keys, and the shards of 2026-11-14 are files") as caught:
        process(settings, tmp_path)
    assert "`merge`" in caught.value.fix


REFUSED = {
    "rows of another day": (table(1700, 40), "holds 12 rows outside 2026-11-14"),
    "wall-clock times": (
        table(0, 1, purchased_at=pa.array([datetime(2026, 11, 14)], pa.timestamp("us"))),  # noqa: DTZ001 - on purpose
        "Column purchased_at",
    ),
    "milliseconds": (table(0, 1, purchased_at=pa.array([START], pa.timestamp("ms", "UTC"))), "has to be Datetime"),
    "a NULL": (table(0, 1, amount=pa.array([None], pa.decimal128(12, 2))), "is NULL"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_can_not_be_a_shard_as_it_is_is_refused(lake: Path, tmp_path: Path, kind: str) -> None:
    made, reason = REFUSED[kind]
    has_other_types = kind in {"wall-clock times", "milliseconds"}
    pq.write_table(made if has_other_types else table(0, 10), lake / "0.parquet")
    pq.write_table(made, lake / "1.parquet")
    with pytest.raises(InputError) as caught:
        run_export(pipeline(tmp_path), run_id=RUN)
    assert reason in str(caught.value)


def test_only_files_can_be_shards_where_they_lie(tmp_path: Path) -> None:
    settings = pipeline(tmp_path).model_dump(by_alias=True, exclude_none=True)
    source = {key: value for key, value in settings["source"].items() if key != "parquet"}
    with pytest.raises(ValueError, match=r"is for source\.parquet"):
        Pipeline.model_validate(
            settings
            | {
                "source": source | {"python": "module:function"},
                "target": {"url": "sqlite:///t.db", "table": "revenue"},
            }
        )


def test_exports_by_file_and_by_key_are_compared_by_key(lake: Path, tmp_path: Path) -> None:
    settings = pipeline(tmp_path)
    made = []
    for number, halves in enumerate(((0, 300), (300, 0))):
        for half in halves:
            pq.write_table(table(half, 300), lake / f"{number}-{half == halves[0]}.parquet")
        here = settings.source.model_copy(update={"parquet": f"file://{lake}/{number}-*.parquet"})
        settings = settings.model_copy(update={"source": here})
        made.append(run_export(settings, run_id=f"run-000{number}", fresh_export=True).manifest["export_id"])
    first, second = made
    by_key = settings.model_copy(update={"export": settings.export.model_copy(update={"shard": "key", "shards": 2})})
    third = run_export(by_key, run_id="run-0003", fresh_export=True).manifest["export_id"]
    names = DayNames(settings.name, DAY)
    for number, (before, after) in enumerate(((first, second), (second, third))):
        scratch = tmp_path / f"diff-{number}"
        scratch.mkdir()
        with open_store(settings.staging.url) as store:
            compared = plan_comparison(*find_two_exports(store, names, [before, after]))
            found = diff_exports(store, compared, limit=5, scratch=scratch, cancel=Cancel())
        assert (found.differing, found.same) == (0, 53)


def test_a_manifest_whose_shards_are_files_that_were_not_registered_contradicts_itself(
    lake: Path, tmp_path: Path
) -> None:
    pq.write_table(table(0, 40), lake / "0.parquet")
    settings = pipeline(tmp_path)
    made = run_export(settings, run_id=RUN).manifest
    names = DayNames(settings.name, DAY)
    for key, value in (("name", "file:///etc/hostname"), ("generation", 1), ("crc32c", 1)):
        bent = json.loads(json.dumps(made))
        bent["shards"][0]["files"][0][key] = value
        with pytest.raises(IntegrityError, match="contradicts itself") as caught:
            check_manifest(Manifest.parse(json.dumps(bent).encode(), name="m"), names, made["export_id"], name="m")
        assert "is not among the source's objects" in str(caught.value)
