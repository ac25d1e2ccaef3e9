"""Plans a window of stored days.

Its columns, rows and shards, from manifests alone.
"""

from __future__ import annotations

from datetime import UTC, datetime

from exporter.inspect.plan import ExportPlan
from exporter.inspect.planned_columns import PlannedColumn
from exporter.port.question import DayQuestion
from exporter.shards.combine_days import combine_days
from staging.config.source import SourceConfig
from staging.documents.manifest import Manifest
from staging.errors import InputError
from staging.store import Store


def plan_stored(question: DayQuestion, store: Store) -> ExportPlan:
    """Return the plan of a window of stored days.

    What is missing or does not fit is in `refused`.
    """
    source = question.pipeline.source
    plan = ExportPlan(database="", reader="manifests", table=source.place)
    try:
        manifest = combine_days(question, store, now=datetime.now(UTC))
    except InputError as error:
        plan.refused.append(error)
        return plan
    plan.columns = _columns(source, manifest)
    plan.why_read = manifest.reading.why
    plan.rows, plan.rows_are = manifest.rows, "counted by the days' manifests"
    plan.size_bytes = sum(file.size_bytes for shard in manifest.shards for file in shard.files)
    plan.shards, plan.why_shards = len(manifest.shards), "as the days have them"
    return plan


def _columns(source: SourceConfig, manifest: Manifest) -> tuple[PlannedColumn, ...]:
    parts = dict.fromkeys(source.key_columns, "key") | {source.time: "time"}
    return tuple(
        PlannedColumn(
            name=column.name,
            part=parts.get(column.name, "carried"),
            source_type=column.source_type,
            dtype=column.dtype,
            conserved=column.name in manifest.sums,
            refused="",
        )
        for column in manifest.columns
    )
