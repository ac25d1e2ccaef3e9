"""The manifest, written last: it makes an export exist."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version

from exporter.port.columns import ReadPlan
from exporter.port.question import DayQuestion
from exporter.shards.tally import ShardTally, format_sums
from staging.documents.manifest import Manifest, Reading, Shard, ShardFile, Source
from staging.documents.run import RunExport
from staging.dtypes import fingerprint
from staging.names import DayNames
from staging.store import Store


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


def build_manifest(written: Written, question: DayQuestion, *, now: datetime) -> Manifest:
    """Return the manifest of a written export.

    A shard without rows has no file.
    """
    columns = tuple(column.describe() for column in written.plan.columns)
    totals: Counter[str] = Counter()
    for tally in written.counted.values():
        totals.update(tally.sums)
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
        rows=sum(tally.rows for tally in written.counted.values()),
        sums=format_sums(written.plan, dict(totals)),
        reading=written.reading,
        created_at=now,
        penstock_version=version("penstock"),
    )


def _shard(written: Written, shard: int) -> Shard:
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
