"""Finds the types that a pipeline's shards will have.

From the source's catalogue; no row is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import polars as pl

from exporter.arrow.need_pyarrow import needs_pyarrow
from exporter.inspect.files import describe_files
from exporter.open_source import open_source
from exporter.port.columns import plan_columns
from exporter.port.source import SourceColumn, TableName
from staging.config.pipeline import Pipeline
from staging.documents.stored_days import read_newest_stored_day
from staging.dtypes import schema_of
from staging.errors import InputError
from staging.open_store import open_store


def describe_source(pipeline: Pipeline, folders: Sequence[Path] = ()) -> pl.Schema:
    """Return key, time and columns with their types.

    Raises as an export would before its first row. A Python source's module is looked for in `folders`, too, besides
    what is installed.
    """
    if pipeline.source.exports is not None:
        return _describe_stored(pipeline, pipeline.source.exports)
    if not pipeline.source.is_database:
        with needs_pyarrow():
            from exporter.arrow.open import describe_arrow  # noqa: PLC0415 - only here
        return plan_columns(pipeline.source, describe_arrow(pipeline.source, folders)).schema()
    table = TableName(*pipeline.source.table_parts())
    with (
        open_source(pipeline.source.url.reveal()) as source,
        closing(source.begin_snapshot(table, max_seconds=pipeline.export.max_snapshot_seconds)) as snapshot,
    ):
        return plan_columns(pipeline.source, snapshot.describe()).schema()


def describe_beside(pipeline: Pipeline) -> dict[str, pl.Schema]:
    """Return the columns of each table beside the leading one, by name.

    Raises as `describe_source`.
    """
    found = describe_files(pipeline) | _describe_tables(pipeline)
    return {
        name: plan_columns(pipeline.source.of_table(name), found[name], has_time=table.time is not None).schema()
        for name, table in pipeline.source.with_.items()
    }


def _describe_tables(pipeline: Pipeline) -> dict[str, Mapping[str, SourceColumn]]:
    tables = pipeline.source.tables_beside
    if not tables:
        return {}
    leading = TableName(*pipeline.source.table_parts())
    names = {name: TableName(*table.table_parts()) for name, table in tables.items()}
    cap = pipeline.export.max_snapshot_seconds
    with (
        open_source(pipeline.source.url.reveal()) as source,
        closing(source.begin_snapshot(leading, max_seconds=cap, also=list(names.values()))) as snapshot,
    ):
        return {name: snapshot.beside(table).describe() for name, table in names.items()}


def _describe_stored(pipeline: Pipeline, days_of: str) -> pl.Schema:
    with open_store(pipeline.staging.url) as store:
        newest = read_newest_stored_day(store, days_of)
    if newest is None:
        raise InputError(
            f"There is no stored day of {days_of}.",
            why=f"`source.exports` names it, and {pipeline.staging.url} holds no export of it.",
            fix=f"Write its name and staging.url as its own pipeline file has them, or run a day of {days_of} first.",
        )
    return schema_of(newest.columns)
