"""The calendar of a pipeline.

Every day that a command takes is read by it.
"""

from __future__ import annotations

from datetime import datetime

from staging.config.pipeline import Pipeline
from staging.window import Calendar, load_zone


def calendar_of(pipeline: Pipeline, now: datetime) -> Calendar:
    """Return the calendar of `source.timezone`, where days turn `export.grace_seconds` after midnight."""
    return Calendar(load_zone(pipeline.source.timezone), now, pipeline.export.grace_seconds)
