"""Chooses what gives the rows of a source that is no database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from exporter.arrow.parquet import describe_parquet, open_parquet
from exporter.arrow.python import describe_python, open_python
from exporter.arrow.read import ArrowRows
from exporter.port.question import DayQuestion
from exporter.port.source import SourceColumn
from staging.config.source import SourceConfig
from staging.window import load_zone, plan_window


def open_arrow(
    question: DayQuestion, now: Callable[[], datetime], folders: Sequence[Path]
) -> AbstractContextManager[ArrowRows]:
    """Yield the rows of a day."""
    source, day = question.pipeline.source, question.names.day
    if source.python is not None:
        return open_python(source.python, day, question.window, now, folders)
    return open_parquet(str(source.parquet), day, now)


def describe_arrow(source: SourceConfig, folders: Sequence[Path]) -> Mapping[str, SourceColumn]:
    """Return the columns that the source has.

    A Python function is asked for yesterday, and for one batch.
    """
    if source.python is not None:
        zone = load_zone(source.timezone)
        yesterday = (datetime.now(UTC) - timedelta(days=1)).astimezone(zone).date()
        return describe_python(source.python, yesterday, plan_window(yesterday, zone), folders)
    return describe_parquet(str(source.parquet))
