"""Describes the Parquet files beside a pipeline's tables.

By the last one that matches, of any day; no row is read.
"""

from __future__ import annotations

from collections.abc import Mapping

from exporter.arrow.need_pyarrow import needs_pyarrow
from exporter.port.question import DayQuestion, PlannedRead
from exporter.port.source import SourceColumn
from exporter.read.beside import check_key
from staging.config.pipeline import Pipeline


def describe_files(pipeline: Pipeline) -> dict[str, Mapping[str, SourceColumn]]:
    """Return the columns of each `source.with.NAME` that is files.

    InputError where no object matches, or one can't be read.
    """
    files = pipeline.source.files_beside
    if not files:
        return {}
    with needs_pyarrow():
        from exporter.arrow.parquet import describe_parquet  # noqa: PLC0415 - only here
    return {
        name: describe_parquet(str(config.parquet), setting=f"source.with.{name}.parquet")
        for name, config in files.items()
    }


def plan_files_beside(
    question: DayQuestion, described: Mapping[str, Mapping[str, SourceColumn]], leads: PlannedRead
) -> dict[str, PlannedRead]:
    """Return how each file that `describe_files` described is carried.

    InputError for one that can't be read with the table that `leads`.
    """
    found = {}
    for name, columns in described.items():
        from exporter.arrow.read import plan_described  # noqa: PLC0415 - pyarrow, where there are files

        of_files = question.of_table(name)
        has_time = question.pipeline.source.with_[name].time is not None
        with of_files.names_its_table():
            found[name] = plan_described(of_files, columns, of_files.pipeline.source.place, has_time=has_time)
        check_key(question, leads, of_files, found[name])
    return found
