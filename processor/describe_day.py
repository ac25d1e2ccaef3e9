"""Describes the day to a transform.

The manifest says what the shards are.
"""

from __future__ import annotations

import polars as pl

from processor.transform import Day
from staging.documents.manifest import Manifest
from staging.dtypes import schema_of
from staging.errors import IntegrityError
from staging.window import Window

INSTANT = pl.Datetime("us", "UTC")
"""The type of every shard's time column, whatever type the database has."""


def describe_day(manifest: Manifest) -> Day:
    """Return the day.

    IntegrityError when its times are no instants, which no exporter writes.
    """
    schema = schema_of(manifest.columns)
    if schema[manifest.source.time] != INSTANT:
        raise IntegrityError(
            f"The times of the export {manifest.export_id} are no instants.",
            why=f"{manifest.source.time} has type {schema[manifest.source.time]} instead of {INSTANT}.",
            fix="Read the day again with penstock run --fresh-export.",
        )
    return Day(
        day=manifest.day,
        timezone=manifest.timezone,
        window=Window(manifest.window_start, manifest.window_end),
        pipeline=manifest.pipeline,
        key=manifest.source.key,
        time=manifest.source.time,
        columns=tuple(column.name for column in manifest.carried),
        schema=schema,
    )
