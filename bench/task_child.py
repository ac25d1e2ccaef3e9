"""A task over a shard of a million rows and bare polars over the same file, in turn, in one process: `ROUNDS USERS`.

Imports are apart: both run in a process that has polars. Ours begins with the pipeline file and ends with the
receipt; bare polars scans, groups, sorts and writes, and checks nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import google_crc32c
import polars as pl

from processor.assignment import read_assignment
from processor.process_task import process_task
from processor.task import Task
from staging.config.file import load_pipeline
from staging.folder.store import open_folder_store
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from tests.shop.hand_made_export import DAY, WINDOW, HandMade, pipeline_text

ROWS = 1_000_000


def make_shard(users: int) -> pl.DataFrame:
    """A million purchases of the day by so many users, in order of time."""
    number = pl.int_range(0, ROWS, dtype=pl.Int64)
    return pl.select(
        user_id=number.hash(7).mod(users).cast(pl.Int64),
        purchased_at=pl.lit(WINDOW[0]).dt.cast_time_unit("us") + pl.duration(microseconds=number * 86_000),
        cents=number.hash(9).mod(1_000_000).cast(pl.Int64),
    ).select(
        "user_id",
        "purchased_at",
        amount=(pl.col("cents").cast(pl.Decimal(14, 2)) * pl.lit("0.01").cast(pl.Decimal(3, 2))).cast(
            pl.Decimal(12, 2)
        ),
    )


class OneShard(HandMade):
    """An export of one shard that polars made."""

    def __post_init__(self) -> None:
        self.shards = 1

    def place(self, rows: pl.DataFrame) -> None:
        """Write the shard and the manifest."""
        buffer = io.BytesIO()
        rows.write_parquet(buffer, compression="zstd", row_group_size=60_000)
        data, total = buffer.getvalue(), str(rows["amount"].sum())
        file = {
            "name": self.shard_name(0),
            "generation": self.put(self.shard_name(0), data),
            "size_bytes": len(data),
            "crc32c": google_crc32c.value(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "rows": rows.height,
        }
        keys = {"min_key": str(rows["user_id"].min()), "max_key": str(rows["user_id"].max())}
        shard = {"shard": 0, "files": [file], "rows": rows.height, **keys, "sums": {"amount": total}}
        self.manifest = self.manifest_of([]) | {"rows": rows.height, "sums": {"amount": total}, "shards": [shard]}
        self.commit("run-0000")


def put_as_the_exporter(staging: Path) -> Callable[[str, bytes], int]:
    """Write through the store, so that what was written is on record; a file put there by hand is read once more."""
    store = open_folder_store(staging.as_uri())
    return lambda name, data: store.create(name, data).generation


def measured(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds by the clock, and of processors in all threads."""
    began, before = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - before


def ours(folder: Path, number: int) -> None:
    """Run a whole task."""
    scratch = folder / f"scratch-{number}"
    scratch.mkdir()
    pipeline = load_pipeline(folder / "pipeline.toml", environ={})
    with open_store(pipeline.staging.url) as store:
        work = read_assignment(store, pipeline, DayNames(pipeline.name, DAY), f"run-{number:04d}", [folder])
        task, silent = Task(0, 1, 0), Progress()
        process_task(store, work, task, scratch=scratch, cancel=Cancel(), progress=silent, say=lambda _: None)


def bare(shard: Path, out: Path) -> None:
    """Run what one would type into polars."""
    rows = pl.scan_parquet(shard).group_by("user_id").agg(revenue=pl.col("amount").sum(), purchases=pl.len())
    rows.sort("user_id").sink_parquet(out, compression="zstd")


def main(rounds: int, users: int) -> None:
    """Print the samples as JSON; the first round warms up and does not count."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-task-"))
    staging = folder / "staging"
    made = OneShard(put_as_the_exporter(staging), [])
    made.place(make_shard(users))
    (folder / "pipeline.toml").write_text(pipeline_text(staging.as_uri()))
    found: dict[str, Any] = {"penstock": [], "bare polars": []}
    for number in range(rounds + 1):
        made.use(f"run-{number:04d}")
        pair = {
            "bare polars": measured(partial(bare, staging / made.shard_name(0), folder / f"bare-{number}.parquet")),
            "penstock": measured(partial(ours, folder, number)),
        }
        if number:
            for name, taken in pair.items():
                found[name].append(taken)
    shutil.rmtree(folder)
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
