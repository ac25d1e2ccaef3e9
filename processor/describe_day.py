"""What a transform may know of the day: from the manifest, which says what the shards are."""

from __future__ import annotations

from processor.transform import Day
from staging.config import Pipeline
from staging.dtypes import schema_of
from staging.errors import InputError
from staging.manifest import Manifest
from staging.window import Window


def describe_day(manifest: Manifest, pipeline: Pipeline) -> Day:
    """Return the day; InputError when the pipeline names other columns than were exported."""
    exported = tuple(column.name for column in manifest.columns)
    wanted = (pipeline.source.key, pipeline.source.time, *pipeline.source.columns)
    if exported != wanted:
        raise InputError(
            f"The export of {manifest.day} holds other columns than the pipeline names.",
            why=f"Exported: {', '.join(exported)}. Named: {', '.join(wanted)}.",
            fix="Name the exported ones, or read the day again: penstock run --fresh-export.",
        )
    return Day(
        day=manifest.day,
        timezone=manifest.timezone,
        window=Window(manifest.window_start, manifest.window_end),
        pipeline=manifest.pipeline,
        key=manifest.source.key,
        time=manifest.source.time,
        columns=exported[2:],
        schema=schema_of(manifest.columns),
    )
