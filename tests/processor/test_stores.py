"""Whole tasks as the command, on a folder and on a real fake-gcs-server, against an export made by other tools."""

from __future__ import annotations

import io
import os
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from processor.task import Task
from staging.errors import IntegrityError
from tests.acceptance.objects import list_objects, read_object
from tests.processor.runs import Runs, end
from tests.shop.hand_made_export import (
    PREFIX,
    RUN_ID,
    SCHEMA,
    HandMade,
    Put,
    expected_revenue,
    parquet_of,
    purchases,
    put_at,
    put_in_folder,
    xxh64_shard,
)

pytestmark = pytest.mark.integration

ROWS = purchases(6000, users=900)
SHARDS = 6


@pytest.fixture(params=["folder", "gcs"])
def staging(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return (tmp_path / "staging").as_uri()
    return f"{request.getfixturevalue('gcs_bucket')}/nightly"


def put(url: str) -> Put:
    return put_at(url, os.environ.get("STORAGE_EMULATOR_HOST", ""))


def objects(url: str, run_id: str = RUN_ID) -> dict[str, bytes]:
    """What a run's folder holds, read without the project's code."""
    folder = f"{PREFIX}run={run_id}/"
    return {name.removeprefix(folder): read_object(url, name) for name in list_objects(url) if name.startswith(folder)}


def table(data: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(data))


def parts(found: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in found.items() if name.startswith("part")}


def test_tasks_of_a_job_side_by_side_give_the_oracles_revenue(staging: str, tmp_path: Path) -> None:
    HandMade(put(staging), ROWS, shards=SHARDS).commit()
    runs = Runs(staging, tmp_path)
    ended = [end(task) for task in [runs.command(index, 3) for index in range(3)]]
    assert [(task.code, task.out) for task in ended] == [(0, "")] * 3, ended
    found = parts(objects(staging))
    assert sorted(found) == [f"part-{shard:05d}.parquet" for shard in range(SHARDS)]
    rows = [row for data in found.values() for row in table(data).to_pylist()]
    assert {row["user_id"]: (row["revenue"], row["purchases"]) for row in rows} == expected_revenue(ROWS)
    assert len(rows) == len(expected_revenue(ROWS))
    keys = [table(data).column("user_id").to_pylist() for data in found.values()]
    assert keys == [sorted(each) for each in keys]


def test_duckdb_and_pyarrow_read_a_part_alike(tmp_path: Path) -> None:
    staging = (tmp_path / "staging").as_uri()
    HandMade(put(staging), ROWS, shards=2).commit()
    runs = Runs(staging, tmp_path)
    runs.process()
    pattern = str(runs.stored() / f"{PREFIX}run={RUN_ID}" / "part-*.parquet")
    with duckdb.connect() as connection:
        total = connection.execute("SELECT sum(revenue), sum(purchases), count(*) FROM read_parquet(?)", [pattern])
        revenue, count, users = total.fetchone() or (None, None, None)
    assert revenue == sum((row["amount"] for row in ROWS), Decimal(0))
    assert (count, users) == (len(ROWS), len(expected_revenue(ROWS)))
    first = table((runs.stored() / f"{PREFIX}run={RUN_ID}/part-00000.parquet").read_bytes())
    assert first.schema.field("revenue").type == pa.decimal128(28, 2)


def test_threads_task_counts_and_stores_change_no_byte(staging: str, tmp_path: Path) -> None:
    written = []
    for run, (count, threads) in enumerate([(1, "1"), (2, "4"), (5, "2")]):
        made = HandMade(put(staging), ROWS, shards=4)
        made.commit(f"run-000{run}")
        runs = Runs(staging, tmp_path)
        tasks = [
            runs.command(index, count, run_id=f"run-000{run}", environ={"POLARS_MAX_THREADS": threads})
            for index in range(count)
        ]
        ended = [end(task) for task in tasks]
        bad = [each.told for each in ended if each.code]
        assert not bad, bad[0]
        written.append(parts(objects(staging, f"run-000{run}")))
    assert written[0] == written[1] == written[2]
    assert len(written[0]) == 4


def test_two_attempts_at_once_both_succeed_and_leave_one_part_a_shard(staging: str, tmp_path: Path) -> None:
    HandMade(put(staging), ROWS, shards=SHARDS).commit()
    runs = Runs(staging, tmp_path)
    attempts = [runs.command(0, 1, attempt) for attempt in (0, 0, 1)]
    ended = [end(attempt) for attempt in attempts]
    assert [attempt.code for attempt in ended] == [0, 0, 0], ended
    found = objects(staging)
    assert len(parts(found)) == SHARDS
    assert len([name for name in found if name.startswith("receipt")]) == SHARDS


def test_a_shard_replaced_after_the_export_is_refused(staging: str, tmp_path: Path) -> None:
    made = HandMade(put(staging), ROWS, shards=2)
    made.commit()
    made.put_shard(1)  # the same rows, but another generation
    ended = Runs(staging, tmp_path).run_command()
    assert ended.code == 40
    assert "shard=00001/0.parquet" in ended.told
    assert sorted(objects(staging)) == ["export.json", "part-00000.parquet", "receipt-00000.json"]


def test_a_flipped_bit_and_a_missing_tail_are_found_in_the_bucket(staging: str, tmp_path: Path) -> None:
    made = HandMade(put(staging), ROWS, shards=1)
    data = parquet_of(ROWS, row_group_size=1000)
    for damaged in (data[:50] + bytes([data[50] ^ 4]) + data[51:], data[:-9]):
        entry = made.manifest["shards"][0]["files"][0]
        entry["generation"] = made.put(made.shard_name(0), damaged)
        made.commit()
        with pytest.raises(IntegrityError, match="is not what was exported"):
            Runs(staging, tmp_path).process(Task(0, 1, 0))
    assert sorted(objects(staging)) == ["export.json"]


def test_keys_of_text_belong_to_the_shard_of_their_xxh64(tmp_path: Path) -> None:
    staging = (tmp_path / "staging").as_uri()
    rows = [{**row, "user_id": f"user-ä-{row['user_id']}"} for row in purchases(800, users=90)]
    schema = SCHEMA.set(0, pa.field("user_id", pa.string(), nullable=False))
    HandMade(put(staging), rows, schema, 3, "xxh64", xxh64_shard).commit()
    runs = Runs(staging, tmp_path)
    runs.process()
    assert runs.revenue() == expected_revenue(rows)


def test_a_staging_folder_with_an_odd_name_works(tmp_path: Path) -> None:
    odd = tmp_path / "day=1 [x] *?%20 ü"
    odd.mkdir()
    HandMade(put_in_folder(odd), ROWS, shards=2).commit()
    runs = Runs(odd.as_uri(), odd)
    runs.process()
    assert runs.revenue() == expected_revenue(ROWS)
