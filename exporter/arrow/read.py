"""Turns Arrow rows into committed shards.

It decodes, counts and proves them as if a statement had given them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from exporter.arrow.batches import ArrowBatches
from exporter.port.columns import plan_columns
from exporter.port.question import DayQuestion, PlannedRead
from exporter.port.source import Bound, Estimate, SourceColumn, Statement
from exporter.port.time_column import plan_bounds
from exporter.refuse.drift import check_drift, find_contract
from exporter.shards.commit import Written
from exporter.shards.count import plan_shards
from exporter.shards.decode import Decoder
from exporter.shards.sink import commit_all
from exporter.shards.tally import Tally
from exporter.shards.writing import ShardWriting
from staging.documents import manifest
from staging.documents.same_question import describe_asked
from staging.errors import InputError
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.store import Store
from staging.window import load_zone

_SHARDS_OF_UNKNOWN = 8


@dataclass(frozen=True, slots=True)
class ArrivedFile:
    """The source's file that is now on this machine."""

    object: manifest.SourceObject
    path: Path
    batches: Iterator[pa.RecordBatch]


def _no_files(names: tuple[str, ...]) -> Iterator[ArrivedFile]:
    raise TypeError(f"{names} come from no files")


@dataclass(frozen=True, slots=True)
class ArrowRows:
    """Rows of a day, and what the manifest says of them.

    There may be rows of other days, too. `estimate` is None where nobody knows before how many rows there are.
    `describe` gives the columns before the first batch; `batches` all have them. `statement` is what is read, without
    the window. `evidence` is asked when everything was read.
    """

    dialect: str
    version: str
    identity: str
    place: str
    statement: str
    as_of: datetime
    estimate: Estimate | None
    describe: Callable[[], Mapping[str, SourceColumn]]
    batches: Callable[[tuple[str, ...]], Iterator[pa.RecordBatch]]
    evidence: Callable[[], dict[str, str]]
    objects: tuple[manifest.SourceObject, ...] = ()
    files: Callable[[tuple[str, ...]], Iterator[ArrivedFile]] = _no_files


def read_arrow(question: DayQuestion, rows: ArrowRows, store: Store, cancel: Cancel, progress: Progress) -> Written:
    """Split the day's rows by their key and commit the shards.

    On any error nothing is committed.
    """
    began = time.monotonic()
    zone = load_zone(question.pipeline.source.column_timezone)
    read = plan_arrow_read(question, rows)
    plan, low, high = read.plan, read.statement.low, read.statement.high
    check_drift(find_contract(store, question), question, read, rows.dialect)
    arriving = ArrowBatches(plan, low, high, cancel)
    shards, why_shards = _plan_shards(question, rows.estimate)
    estimate = rows.estimate or Estimate(0, "not known before")
    writing = ShardWriting(question, store, progress, Tally(plan, shards), shards, estimate)
    frames = arriving.frames(rows.batches(tuple(column.name for column in plan.columns)))
    writing.write(Decoder(plan, question.window, zone).decode(frames))
    check_any_near(question, arriving)
    counted = writing.tally.by_shard()
    files = commit_all(writing.objects, {shard: t.rows for shard, t in counted.items()}, check=cancel.check)
    return Written(
        shards=shards,
        files=files,
        counted=counted,
        plan=plan,
        source=describe_rows(question, rows, read, outside_rows=arriving.outside_rows),
        reading=manifest.Reading(
            mode=rows.dialect,
            why=f"no database is read; {shards} shards, {why_shards}",
            reader=f"pyarrow {pa.__version__}",
            seconds=round(time.monotonic() - began, 3),
            waited_seconds={},
        ),
        as_of=rows.as_of,
    )


def check_any_near(question: DayQuestion, arriving: ArrowBatches) -> None:
    """Raise InputError where no row of the day's files is near it.

    They hold rows, but none within a day of it. Such a day is not empty: its files are another day's, or `time` is in
    another unit.
    """
    pattern = question.pipeline.source.parquet or ""
    if "{day}" in pattern and arriving.outside_rows and not arriving.has_near:
        raise InputError(
            f"None of the {arriving.outside_rows:,} rows in the files of {question.names.day} lies within a day of it.",
            why="`{day}` in the pattern means the day's own files; the day would be empty without a word.",
            fix="Look at the files' times: another unit, zone or day? Where files hold many days, leave `{day}` out.",
        )


def plan_arrow_read(question: DayQuestion, rows: ArrowRows, *, has_time: bool = True) -> PlannedRead:
    """Return the columns and the window as for a table.

    There is no SQL in it.
    """
    return plan_described(question, rows.describe(), rows.place, has_time=has_time)


def plan_described(
    question: DayQuestion, found: Mapping[str, SourceColumn], place: str, *, has_time: bool
) -> PlannedRead:
    """Return the columns and the window, of columns that were described."""
    source = question.pipeline.source
    plan = plan_columns(source, found, has_time=has_time)
    low: Bound = ""
    high: Bound = ""
    if has_time:
        low, high = plan_bounds(plan.time_kind, question.window, question.names.day, load_zone(source.column_timezone))
    statement = Statement(
        plan.select,
        place,
        source.time if has_time else "",
        low,
        high,
        where=None,
        literal=str,
        time_index=plan.time_index,
        has_time=has_time,
    )
    return PlannedRead(plan, tuple(found[column.name] for column in plan.columns), statement, tuple(sorted(found)))


def _plan_shards(question: DayQuestion, estimate: Estimate | None) -> tuple[int, str]:
    configured = question.pipeline.export.shards
    if estimate is None and configured == "auto":
        return _SHARDS_OF_UNKNOWN, "auto: how many rows there are is not known before"
    return plan_shards(configured, estimate or Estimate(0, "not known before"))


def describe_rows(question: DayQuestion, rows: ArrowRows, read: PlannedRead, *, outside_rows: int) -> manifest.Source:
    """Return what the manifest says of the source, when everything was read."""
    source = question.pipeline.source
    outside = {"rows_outside_window": str(outside_rows), **describe_asked(source)}
    return manifest.Source(
        dialect=rows.dialect,
        server_version=rows.version,
        server_identity=rows.identity,
        table=rows.place,
        key=source.key,
        time=source.time,
        where=None,
        statement=f"{rows.statement} WHERE {read.statement.low} <= {source.time} < {read.statement.high}",
        evidence=rows.evidence() | outside,
        objects=rows.objects,
        table_columns=read.table_columns,
    )
