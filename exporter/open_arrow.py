"""Chooses what gives the rows of a source that is no database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from exporter.parquet_source import describe_parquet, open_parquet
from exporter.question import DayQuestion
from exporter.read_arrow import ArrowRows
from exporter.source import SourceColumn
from staging.config import SourceConfig


@contextmanager
def open_arrow(question: DayQuestion, now: Callable[[], datetime], folders: Sequence[Path]) -> Iterator[ArrowRows]:
    """Give the rows of a day."""
    del folders
    with open_parquet(str(question.pipeline.source.parquet), question.names.day, now) as rows:
        yield rows


def describe_arrow(source: SourceConfig, folders: Sequence[Path]) -> Mapping[str, SourceColumn]:
    """Return the columns that the source has, of whichever day."""
    del folders
    return describe_parquet(str(source.parquet))
