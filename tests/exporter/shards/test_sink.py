"""Parquet files of the shards: the same bytes however the rows were cut, and a row count that others agree with."""

from __future__ import annotations

import io
import tracemalloc
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from exporter.shards.footer import footer_bytes, read_row_count
from exporter.shards.sink import Failure, ShardObject, ShardSink
from exporter.shards.writing import plan_row_group_rows, sample_row_bytes
from staging.errors import IntegrityError


class _Memory:
    def __init__(self) -> None:
        self.data = bytearray()
        self.aborted = False

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)

    def commit(self) -> Any:
        raise AssertionError("nothing commits here")

    def abort(self) -> None:
        self.aborted = True


def _rows(count: int) -> pl.DataFrame:
    numbers = pl.int_range(count, eager=True)
    return pl.DataFrame(
        {"k": numbers * 7919 % 1009, "text": numbers.cast(pl.String) + "é" * 30, "_s": (numbers % 3).cast(pl.UInt32)}
    )


def _write(frames: list[pl.DataFrame], row_group_rows: int = 1024) -> dict[int, bytes]:
    made: dict[int, tuple[ShardObject, _Memory]] = {}

    def create(shard: int, failure: Failure) -> ShardObject:
        memory = _Memory()
        made[shard] = (ShardObject(shard, str(shard), memory, failure), memory)
        return made[shard][0]

    ShardSink(create, "_s", 400, row_group_rows).write(iter(frames), frames[0].schema)
    assert not any(memory.aborted for _, memory in made.values())
    for shard, (sent, memory) in made.items():
        assert sent.rows_in_file() == pq.read_metadata(io.BytesIO(memory.data)).num_rows, shard
    return {shard: bytes(memory.data) for shard, (_, memory) in sorted(made.items())}


def test_the_bytes_do_not_depend_on_how_the_rows_were_cut() -> None:
    rows = _rows(20_000)
    whole = _write([rows])
    assert set(whole) == {0, 1, 2}
    for size in (7_000, 333, 1_999):
        assert _write([rows.slice(i, size) for i in range(0, rows.height, size)]) == whole


def test_each_of_many_shards_has_one_file() -> None:
    numbers = pl.int_range(200_000, eager=True)
    rows = pl.DataFrame({"k": numbers, "_s": (numbers * 7919 % 400).cast(pl.UInt32)})
    files = _write(
        [rows.slice(i, 20_000) for i in range(0, rows.height, 20_000)]
    )  # a second file would replace the first
    assert {shard: pq.read_metadata(io.BytesIO(data)).num_rows for shard, data in files.items()} == dict.fromkeys(
        range(400), 500
    )


def test_a_row_group_has_the_rows_that_were_asked_for() -> None:
    files = _write([_rows(20_000)], row_group_rows=2048)
    groups = pq.read_metadata(io.BytesIO(files[0]))
    assert {groups.row_group(i).num_rows for i in range(groups.num_row_groups - 1)} == {2048}


@pytest.mark.parametrize("rows", [0, 1, 14, 15, 16, 5000])
@pytest.mark.parametrize("options", [{}, {"row_group_size": 100}, {"compression": "none", "write_statistics": False}])
def test_the_row_count_is_read_from_any_writers_footer(rows: int, options: dict[str, Any]) -> None:
    table = pa.table(
        {f"column {i}": pa.array(range(rows), pa.int64()) for i in range(20)} | {"b": [True] * rows, "l": [[1]] * rows}
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    data = sink.getvalue()
    assert read_row_count(data[-footer_bytes(data[-8:]) :]) == rows
    with pytest.raises(IntegrityError):
        footer_bytes(data[:-1])
    with pytest.raises(IntegrityError):
        read_row_count(data[-footer_bytes(data[-8:]) :][:2])


def test_an_object_remembers_no_more_of_its_file_than_a_footer_may_need() -> None:
    class Nowhere(_Memory):
        def write(self, data: Any) -> int:
            return len(data)

    pieces = 4_000  # of 8 KB, as polars writes
    made = ShardObject(0, "0", Nowhere(), Failure())
    piece = bytes(8_192)
    tracemalloc.start()
    try:
        for _ in range(pieces):
            made.write(memoryview(piece))
        remembered_bytes, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    enough = 64 * 1024 + pieces * len(piece) // 32
    assert enough <= remembered_bytes <= most_bytes < 1.1 * enough


def test_row_groups_are_sized_by_bytes() -> None:
    budget = 64 * 1024 * 1024
    narrow = plan_row_group_rows(budget_bytes=budget, shards=32, row_bytes=24, expected_rows=5_000_000)
    wide = plan_row_group_rows(budget_bytes=budget, shards=64, row_bytes=560, expected_rows=2_000_000)
    assert narrow * 32 * 24 <= budget
    a_little_wider = plan_row_group_rows(budget_bytes=budget, shards=64, row_bytes=25, expected_rows=5_100_000)
    assert (
        a_little_wider == plan_row_group_rows(budget_bytes=budget, shards=64, row_bytes=24, expected_rows=1) == 32_768
    )
    assert wide * 64 * 560 <= budget
    assert plan_row_group_rows(budget_bytes=budget, shards=10_000, row_bytes=500, expected_rows=0) == 512
    assert plan_row_group_rows(budget_bytes=budget, shards=1, row_bytes=1, expected_rows=0) == 65_536


def test_the_width_of_a_row_does_not_depend_on_how_the_rows_were_cut() -> None:
    rows = _rows(5_000)
    whole, _ = sample_row_bytes(iter([rows]))
    cut, frames = sample_row_bytes(rows.slice(i, 301) for i in range(0, 5_000, 301))
    assert cut == whole > 60
    assert pl.concat(frames).equals(rows)
