"""Lists Parquet files beside the tables, and reads their rows later.

It treats them like those of a pipeline that reads only files: registered once, read by generation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from exporter.arrow.batches import ArrowBatches
from exporter.arrow.parquet import open_parquet
from exporter.arrow.read import ArrowRows, check_any_near, plan_arrow_read
from exporter.port.question import DayQuestion, PlannedRead
from exporter.port.source import Estimate
from exporter.read.files import Files
from staging.config.with_table import WithTable
from staging.documents.manifest import SourceObject
from staging.hours.name import day_of
from staging.process.cancel import Cancel


@contextmanager
def list_files(question: DayQuestion, now: Callable[[], datetime], cancel: Cancel) -> Iterator[Sequence[Files]]:
    """Yield the files of each `source.with.NAME` that has some.

    InputError where no object matches, or one can't be carried.
    """
    day = day_of(question.names.day)
    with ExitStack() as opened:
        yield [
            _Files(
                name,
                question.of_table(name),
                config,
                opened.enter_context(
                    open_parquet(str(config.parquet), day, now, setting=f"source.with.{name}.parquet")
                ),
                cancel,
            )
            for name, config in question.pipeline.source.files_beside.items()
        ]


@dataclass
class _Files:
    """See `exporter.read.files.Files`."""

    name: str
    question: DayQuestion
    config: WithTable
    rows: ArrowRows
    cancel: Cancel
    outside_rows: int = 0

    @property
    def as_of(self) -> datetime:
        return self.rows.as_of

    @property
    def objects(self) -> Sequence[SourceObject]:
        return self.rows.objects

    @property
    def evidence(self) -> Mapping[str, str]:
        outside = {"rows_outside_window": str(self.outside_rows)} if self.config.time is not None else {}
        return {**self.rows.evidence(), "listed_at": self.as_of.isoformat(), **outside}

    def plan(self) -> PlannedRead:
        return plan_arrow_read(self.question, self.rows, has_time=self.config.time is not None)

    def estimate(self) -> Estimate:
        return self.rows.estimate or Estimate(0, "not known before")

    def frames(self, read: PlannedRead) -> Iterator[pl.DataFrame]:
        arriving = ArrowBatches(read.plan, read.statement.low, read.statement.high, self.cancel)
        yield from arriving.frames(self.rows.batches(tuple(column.name for column in read.plan.columns)))
        self.outside_rows = arriving.outside_rows
        check_any_near(self.question, arriving)
