"""The manifest, written last: it makes an export exist."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from exporter.port.columns import ReadPlan
from exporter.port.question import DayQuestion
from exporter.shards.tally import ShardTally, format_sums
from staging.columns.types import fingerprint
from staging.config.with_table import WithTable
from staging.documents.manifest import Manifest, Reading, Shard, ShardFile, Source, SourceObject, TableExport
from staging.documents.run import RunExport
from staging.names import DayNames
from staging.store import Store
from staging.version import VERSION


@dataclass(frozen=True, slots=True)
class WrittenTable:
    """A table beside the leading one whose shards are committed.

    `name` is the pipeline's for it; `keys_without_row` as in `TableExport`.
    """

    name: str
    table: str
    config: WithTable
    files: Mapping[int, ShardFile]
    counted: Mapping[int, ShardTally]
    plan: ReadPlan
    statement: str
    table_columns: tuple[str, ...]
    keys_without_row: int | None
    evidence: Mapping[str, str]
    objects: tuple[SourceObject, ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """A whole export whose shards are committed.

    What was counted, which files hold it, where and when it is from.
    """

    shards: int
    files: Mapping[int, ShardFile]
    counted: Mapping[int, ShardTally]
    plan: ReadPlan
    source: Source
    reading: Reading
    as_of: datetime
    tables: tuple[WrittenTable, ...] = ()


def build_manifest(written: Written, question: DayQuestion, *, now: datetime) -> Manifest:
    """Return the manifest of a written export.

    A shard without rows has no file.
    """
    columns = tuple(column.describe() for column in written.plan.columns)
    return Manifest(
        export_id=question.export_id,
        pipeline=question.names.pipeline,
        day=question.names.day,
        timezone=question.pipeline.source.timezone,
        window_start=question.window.start,
        window_end=question.window.end,
        as_of=written.as_of,
        source=written.source,
        columns=columns,
        schema_fingerprint=fingerprint(columns),
        shard_function=written.plan.shard_function,
        shards=tuple(_shard(written, shard) for shard in range(written.shards)),
        rows=_rows(written),
        sums=_sums(written),
        reading=written.reading,
        created_at=now,
        penstock_version=VERSION,
        tables=tuple(_table(table, written.shards) for table in written.tables),
    )


def _table(written: WrittenTable, shards: int) -> TableExport:
    columns = tuple(column.describe() for column in written.plan.columns)
    return TableExport(
        name=written.name,
        table=written.table,
        key=written.config.key,
        time=written.config.time,
        where=written.config.where,
        allow_null=written.config.allow_null,
        only_keys=written.config.only_keys,
        statement=written.statement,
        table_columns=written.table_columns,
        columns=columns,
        schema_fingerprint=fingerprint(columns),
        shards=tuple(_shard(written, shard) for shard in range(shards)),
        rows=_rows(written),
        sums=_sums(written),
        keys_without_row=written.keys_without_row,
        evidence=dict(written.evidence),
        objects=written.objects,
    )


def _rows(written: Written | WrittenTable) -> int:
    return sum(tally.rows for tally in written.counted.values())


def _sums(written: Written | WrittenTable) -> dict[str, str]:
    totals: Counter[str] = Counter()
    for tally in written.counted.values():
        totals.update(tally.sums)
    return format_sums(written.plan, dict(totals))


def _shard(written: Written | WrittenTable, shard: int) -> Shard:
    tally = written.counted.get(shard)
    return Shard(
        shard=shard,
        files=(written.files[shard],) if tally else (),
        rows=tally.rows if tally else 0,
        min_key=tally.min_key if tally else None,
        max_key=tally.max_key if tally else None,
        sums=format_sums(written.plan, tally.sums if tally else {}),
    )


def commit_manifest(store: Store, names: DayNames, manifest: Manifest, run_id: str) -> RunExport:
    """Create the manifest and return how a run names it."""
    data = manifest.to_bytes()
    info = store.create(names.manifest(manifest.export_id), data)
    return RunExport(
        run_id=run_id,
        export_id=manifest.export_id,
        manifest_generation=info.generation,
        manifest_sha256=hashlib.sha256(data).hexdigest(),
    )
