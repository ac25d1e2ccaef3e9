"""The types that the shards of a pipeline will have, from the source's catalogue; no row is read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import polars as pl

from exporter.arrow.need_pyarrow import needs_pyarrow
from exporter.open_source import open_source
from exporter.port.columns import plan_columns
from exporter.port.source import TableName
from staging.config.pipeline import Pipeline


def describe_source(pipeline: Pipeline, folders: Sequence[Path] = ()) -> pl.Schema:
    """Return key, time and columns with their types; raises as an export would before its first row.

    `folders` are where a Python source's module is looked for besides what is installed.
    """
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
