"""Which shards a task takes: every shard once, whatever the number of tasks."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.task import Task, plan_shards
from staging.documents.manifest import Manifest, Shard
from tests.processor.runs import Runs
from tests.shop.hand_made_export import HandMade, purchases, put_in_folder


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    made = HandMade(put_in_folder(tmp_path_factory.mktemp("staging")), [], shards=1)
    return Manifest.model_validate({**made.manifest, "shards": []}, strict=False)


@given(shards=st.integers(0, 60), count=st.integers(1, 80))
def test_each_shard_falls_to_exactly_one_task(manifest: Manifest, shards: int, count: int) -> None:
    numbered = tuple(Shard(shard=n, files=(), rows=0, min_key=None, max_key=None, sums={}) for n in range(shards))
    day = manifest.model_copy(update={"shards": numbered})
    taken = [plan_shards(day, Task(index, count, 0)) for index in range(count)]
    assert sorted(shard.shard for shards_of_task in taken for shard in shards_of_task) == list(range(shards))
    assert max(map(len, taken)) - min(map(len, taken)) <= 1
    assert all(shard.shard % count == index for index, mine in enumerate(taken) for shard in mine)


def test_a_task_beyond_the_last_shard_succeeds_and_writes_nothing(tmp_path: Path) -> None:
    runs = Runs((tmp_path / "staging").as_uri(), tmp_path)
    HandMade(put_in_folder(runs.stored()), purchases(50), shards=2).commit()
    said = runs.process(Task(2, 5, 0))
    assert said == ["Task 2 of 5: 0 shards, 0 rows."]
    assert runs.written() == {}


def test_any_number_of_tasks_gives_the_same_bytes(tmp_path: Path) -> None:
    rows, written = purchases(1000, users=200), []
    for count in (1, 3, 9):
        runs = Runs((tmp_path / f"staging-{count}").as_uri(), tmp_path)
        HandMade(put_in_folder(runs.stored()), rows, shards=7).commit()
        for index in reversed(range(count)):
            runs.process(Task(index, count, 0))
        parts = {name: data for name, data in runs.written().items() if name.startswith("part")}
        assert len(parts) == 7
        written.append(parts)
    assert all(parts == written[0] for parts in written)


def test_a_part_is_sorted_by_its_key(tmp_path: Path) -> None:
    runs = Runs((tmp_path / "staging").as_uri(), tmp_path)
    HandMade(put_in_folder(runs.stored()), purchases(3000, users=2000), shards=2).commit()
    runs.process()
    for data in (data for name, data in runs.written().items() if name.startswith("part")):
        keys = pq.read_table(io.BytesIO(data)).column("user_id").to_pylist()
        assert keys == sorted(keys)
        assert len(keys) > 500
