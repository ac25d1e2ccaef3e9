"""Runs the exporter in this process on a source of a test's own, and reads what it left by others' tools."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from exporter.export_day import OpenSource, Surroundings, export_day
from exporter.open_source import open_source
from exporter.port.question import MOST_READS
from staging.config.pipeline import Pipeline
from staging.documents.manifest import Manifest
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.progress import Progress

DAY = date(2026, 11, 14)
NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)

Wrap = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Export:
    """What an export left in a staging folder."""

    folder: Path
    manifest: dict[str, Any]

    def parsed(self) -> Manifest:
        """The manifest as the product reads it."""
        return Manifest.parse(json.dumps(self.manifest).encode(), name="manifest.json")

    def files(self) -> list[Path]:
        """The Parquet files that the manifest names."""
        return [self.folder / file["name"] for shard in self.manifest["shards"] for file in shard["files"]]

    def table(self, shard: int | None = None) -> pa.Table:
        """The rows of one shard, or of all, by pyarrow."""
        shards = self.manifest["shards"] if shard is None else [self.manifest["shards"][shard]]
        return pa.concat_tables(
            pq.read_table(self.folder / file["name"], partitioning=None) for each in shards for file in each["files"]
        )

    def rows(self) -> list[dict[str, Any]]:
        """All rows by pyarrow."""
        return list(self.table().to_pylist()) if self.files() else []

    def totals(self) -> dict[int, Decimal]:
        """What each user paid, by decimal alone."""
        found: dict[int, Decimal] = defaultdict(Decimal)
        for row in self.rows():
            found[row["user_id"]] += row["amount"]
        return dict(found)


def pipeline(source_url: str, folder: Path, *, export: dict[str, Any] | None = None, **source: Any) -> Pipeline:
    """A pipeline over a table `purchases`, changed by the arguments."""
    section = {
        "url": source_url,
        "table": "purchases",
        "key": "user_id",
        "time": "purchased_at",
        "columns": ["amount"],
        "timezone": "Europe/Berlin",
    }
    return Pipeline.model_validate(
        {
            "name": "daily_revenue",
            "source": section | source,
            "staging": {"url": f"file://{folder}"},
            "export": export or {},
            "target": {"url": "sqlite:///target.db", "table": "revenue"},
        }
    )


def weekly(target_url: str, folder: Path, **source: Any) -> Pipeline:
    """A pipeline of weeks over the stored days of `pipeline`, changed by the arguments."""
    section = {
        "exports": "daily_revenue",
        "window": "week",
        "key": "user_id",
        "time": "purchased_at",
        "columns": ["amount"],
        "timezone": "Europe/Berlin",
    }
    return Pipeline.model_validate(
        {
            "name": "weekly_revenue",
            "source": section | source,
            "staging": {"url": folder.as_uri()},
            "target": {"url": target_url, "table": "weekly"},
        }
    )


def run_export(
    settings: Pipeline,
    *,
    day: date = DAY,
    run_id: str = "run-0001",
    fresh_export: bool = False,
    opener: OpenSource = open_source,
    wrap_store: Wrap = lambda store: store,
    cancel: Cancel | None = None,
    now: datetime = NOW,
    most_reads: int = MOST_READS,
    require_closed: bool = False,
) -> Export:
    """Export the day and return what it left."""
    folder = Path(settings.staging.url.removeprefix("file://"))
    folder.mkdir(parents=True, exist_ok=True)
    with open_store(settings.staging.url) as store:
        around = Surroundings(wrap_store(store), opener, lambda: now, cancel or Cancel(), Progress())
        settled = export_day(
            settings,
            day,
            run_id,
            around,
            fresh_export=fresh_export,
            most_reads=most_reads,
            require_closed=require_closed,
        )
    found = folder / f"{settings.name}/day={day}/export={settled.export_id}/manifest.json"
    return Export(folder, json.loads(found.read_bytes()))


def committed(folder: Path) -> list[str]:
    """What counts of exports in a staging folder: shards, manifests, and runs that have settled on one."""
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file()
        and ".penstock" not in path.parts
        and (path.suffix == ".parquet" or path.name in ("manifest.json", "export.json"))
    )
