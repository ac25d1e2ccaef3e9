"""Makes each Parquet file of the source a shard.

`export.shard = "file"`: it stays where it lies; nothing is copied. One pass over every file counts its rows and sums
through the same decoder as any other row, and takes the digests that readers check. So a conserved sum means the same;
but a key may lie in several shards, so only partial outputs fit.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from exporter.arrow.batches import ArrowBatches
from exporter.arrow.read import ArrivedFile, ArrowRows, describe_rows, plan_arrow_read
from exporter.port.columns import ReadPlan
from exporter.port.question import DayQuestion
from exporter.port.source import Bound
from exporter.refuse.drift import check_drift, find_contract
from exporter.shards.commit import Written
from exporter.shards.decode import Decoder
from exporter.shards.tally import ShardTally, Tally
from staging.columns.shard_function import BY_FILE
from staging.documents import manifest
from staging.documents.manifest import ShardFile
from staging.dtypes import format_dtype
from staging.errors import InputError
from staging.names import MAX_SHARDS
from staging.polars_errors import POLARS_ERRORS
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.shard_scan import scan_shard
from staging.store import Store
from staging.window import load_zone

_BATCH_ROWS = 65_536
_MOST_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class _Registered:
    file: ShardFile
    tally: ShardTally | None


def register_files(question: DayQuestion, rows: ArrowRows, store: Store, cancel: Cancel, progress: Progress) -> Written:
    """Count every file and return the export.

    InputError where a file can't be a shard as it is.
    """
    began = time.monotonic()
    if len(rows.objects) > MAX_SHARDS:
        raise InputError(
            f"{len(rows.objects)} files match; {MAX_SHARDS} shards are the most.",
            fix='Narrow its pattern, or set `export.shard = "key"`.',
        )
    read = plan_arrow_read(question, rows)
    check_drift(find_contract(store, question), question, read, rows.dialect)
    plan = replace(read.plan, shard_function=BY_FILE)
    found: list[_Registered] = []
    for arrived in rows.files(tuple(column.name for column in plan.columns)):
        found.append(_register(arrived, question, plan, (read.statement.low, read.statement.high), cancel))
        counted = sum(each.file.rows for each in found)
        progress.emit(rows=counted, note="registering files", last=len(found) == len(rows.objects))
    seconds = round(time.monotonic() - began, 3)
    return Written(
        shards=len(found),
        files={number: each.file for number, each in enumerate(found)},
        counted={number: each.tally for number, each in enumerate(found) if each.tally is not None},
        plan=plan,
        source=describe_rows(question, rows, read, outside_rows=0),
        reading=manifest.Reading(
            mode=rows.dialect,
            why=f"no database is read; {len(found)} files are shards where they lie",
            reader=f"polars {pl.__version__}",
            seconds=seconds,
            waited_seconds={},
        ),
        as_of=rows.as_of,
    )


def _register(
    arrived: ArrivedFile, question: DayQuestion, plan: ReadPlan, window: tuple[Bound, Bound], cancel: Cancel
) -> _Registered:
    _check_types(arrived, plan)
    batches = ArrowBatches(plan, *window, cancel)
    decoder = Decoder(plan, question.window, load_zone(question.pipeline.source.column_timezone))
    tally = Tally(plan, shards=1)
    for _ in tally.count(decoder.decode(map(batches.keep_inside, _frames(arrived, plan, cancel)))):
        pass
    if batches.outside_rows:
        raise InputError(
            f"{arrived.object.url} holds {batches.outside_rows} rows outside {question.names.day}.",
            why="A file that is a shard where it lies is read as it is, whole.",
            fix='Name the day\'s files alone (`{day}` in its pattern), or set `export.shard = "key"`.',
        )
    counted = tally.by_shard().get(0)
    file = ShardFile(
        name=arrived.object.url,
        generation=arrived.object.generation,
        size_bytes=arrived.object.size_bytes,
        crc32c=arrived.object.crc32c,
        sha256=_sha256(arrived.path),
        rows=counted.rows if counted else 0,
    )
    return _Registered(file, counted)


def _frames(arrived: ArrivedFile, plan: ReadPlan, cancel: Cancel) -> Iterator[pl.DataFrame]:
    """Give the rows as c0, c1 …, read by the reader that a task will use: another one may see another file."""
    rows = scan_shard([arrived.path], plan.schema())
    numbered = rows.select(pl.col(name).alias(f"c{index}") for index, name in enumerate(plan.schema()))
    try:
        for frame in numbered.collect_batches(chunk_size=_BATCH_ROWS, engine="streaming"):
            cancel.check()
            yield frame
    except POLARS_ERRORS as exc:
        raise InputError(
            f"{arrived.object.url} can't be read by the task that would process it.",
            why=" ".join(str(exc).split())[:_MOST_CHARACTERS],
            fix='Write the file again, or set `export.shard = "key"`, which copies. Nothing was exported.',
        ) from exc


def _check_types(arrived: ArrivedFile, plan: ReadPlan) -> None:
    """A task reads the file itself, without our decoder: a value that would have to be changed is refused."""
    found = pl.read_parquet_schema(arrived.path)
    for column in plan.columns:
        if found.get(column.name) != column.dtype:
            raise InputError(
                f"Column {column.name} of {arrived.object.url} can't be used where it lies.",
                why=f"It is {found.get(column.name)}, and has to be {format_dtype(column.dtype)}.",
                fix='Write the files so (timestamps in microseconds with UTC), or set `export.shard = "key"`.',
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
