"""Shards that are files of others: more columns, any order, keys of any shard; what they sum to is counted here."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from staging.errors import InputError, IntegrityError
from tests.processor.runs import Runs
from tests.processor.test_partial import by_hour
from tests.shop.hand_made_export import PREFIX, RUN_ID, HandMade, purchases, put_in_folder

ROWS = purchases(300, users=40)


class Lake:
    """Three files of somebody's, and an export that names them as its shards."""

    def __init__(self, folder: Path) -> None:
        self.runs = Runs((folder / "staging").as_uri(), folder)
        self.folder = folder / "lake"
        self.folder.mkdir()
        # Neither does the hash say which file a key is in, nor is one in a single file.
        made = HandMade(put_in_folder(self.runs.stored()), ROWS, shards=3, shard_of=lambda key, n: key // 7 % n)
        found = made.manifest
        for shard in found["shards"]:
            shard["files"] = [self.write(made, shard["shard"])]
            shard["sums"] = {}
        found.update(shard_function="file", sums={})
        self.made = made

    def commit(self) -> None:
        """Register the files, and commit the export."""
        files = [file for shard in self.made.manifest["shards"] for file in shard["files"]]
        self.made.manifest["source"]["objects"] = [
            {"url": file["name"], **{name: file[name] for name in ("generation", "size_bytes", "crc32c")}}
            for file in files
        ]
        self.made.commit()

    def write(self, made: HandMade, shard: int, **columns: list[Any]) -> dict[str, Any]:
        """Write a file, and return what a manifest says of it."""
        rows = made.shard_rows(shard)
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=made.schema)
        table = table.append_column("note", pa.array(["theirs"] * len(rows)))
        table = table.select(["note", "amount", "purchased_at", "user_id"])
        for name, values in columns.items():
            table = table.set_column(table.column_names.index(name), name, pa.array(values))
        path = self.folder / f"{shard}.parquet"
        pq.write_table(table, path)
        file = made.put_shard(shard, path.read_bytes())
        return file | {"name": path.as_uri(), "generation": path.stat().st_mtime_ns // 1000}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def test_each_file_is_a_shard_and_its_sum_is_counted_by_the_task(lake: Lake) -> None:
    lake.commit()
    lake.runs.module(by_hour())
    lake.runs.process()
    for shard in range(3):
        expected = sum((row["amount"] for row in lake.made.shard_rows(shard)), Decimal(0))
        kept = lake.runs.receipt(shard)["conserved"][0]
        assert (Decimal(kept["shard"]), Decimal(kept["part"])) == (expected, expected)
    parts = sorted((lake.runs.stored() / f"{PREFIX}run={RUN_ID}").glob("part-*"))
    found = sum((row["revenue"] for part in parts for row in pq.read_table(part).to_pylist()), Decimal(0))
    assert found == sum(row["amount"] for row in ROWS)


def test_a_file_without_one_of_the_columns_or_of_another_type_is_refused(lake: Lake) -> None:
    rows = lake.made.shard_rows(1)
    file = lake.write(lake.made, 1, amount=[1.5] * len(rows))
    lake.made.manifest["shards"][1]["files"] = [file]
    lake.commit()
    lake.runs.module(by_hour())
    with pytest.raises(IntegrityError, match="amount Float64"):
        lake.runs.process()


def test_a_transform_that_fails_over_a_file_is_to_blame_itself(lake: Lake) -> None:
    """Its keys are in whatever file somebody put them: none of them is astray."""
    lake.commit()
    lake.runs.module(by_hour().replace("return rows", "return rows.map_batches(lambda frame: 1 / 0)"))
    with pytest.raises(InputError, match="mine:transform failed"):
        lake.runs.process()
