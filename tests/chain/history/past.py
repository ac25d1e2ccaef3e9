"""Days in a folder whose documents are made by hand, through the store, as runs would leave them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from staging.columns.types import fingerprint
from staging.documents.head import change_head
from staging.documents.manifest import Column, Manifest, Reading, Shard, Source
from staging.documents.run import Loaded, RunExport, RunFailure
from staging.documents.run_start import begin_run
from staging.folder.store import open_folder_store
from staging.names import DayNames, new_id

PIPELINE = "daily_revenue"
AT = datetime(2026, 11, 15, 2, 15, tzinfo=UTC)


class CountingStore:
    """A folder store that counts what it is asked, by method and by what kind of object it is."""

    def __init__(self, folder: Path) -> None:
        self._store = open_folder_store(folder.as_uri())
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)

        def count(*arguments: Any, **named: Any) -> Any:
            self.asked[name] += 1
            return found(*arguments, **named)

        return count if callable(found) else found


def now() -> datetime:
    return datetime.now(UTC)


def a_run(store: Any, day: date, run_id: str, *, at: datetime = AT, by: str = "ada@build-7, process 9") -> DayNames:
    """A run that was begun."""
    names = DayNames(PIPELINE, day)
    begin_run(store, names, run_id, kind="run", fresh_export=False, now=at, by=by)
    return names


def load(store: Any, day: date, run_id: str, *, rows: int = 3, revenue: str = "12.50", at: datetime = AT) -> None:
    """A run that has loaded the day."""
    names = a_run(store, day, run_id, at=at)
    export = RunExport(run_id=run_id, export_id=f"e-{run_id}", manifest_generation=1, manifest_sha256="0" * 64)
    store.create(names.run_export(run_id), export.to_bytes())
    note = Loaded(
        run_id=run_id,
        export_id=f"e-{run_id}",
        fence=1,
        day=day,
        rows=rows,
        inserted=rows,
        updated=0,
        deleted=0,
        totals={"revenue": revenue},
        digest="0" * 64,
        loaded_at=at + timedelta(seconds=90),
    )
    store.create(names.loaded(run_id), note.to_bytes())
    change_head(store, names, lambda *_: {"export_id": f"e-{run_id}"}, at)


def give_up(store: Any, day: date, run_id: str, what: str, *, stopped: bool = False, at: datetime = AT) -> None:
    """A note of why the run was given up."""
    failure = RunFailure(
        run_id=run_id, exit_code=20, what=what, why="", fix="", log="", failed_at=at, by="ada", stopped=stopped
    )
    store.create(DayNames(PIPELINE, day).failure(run_id, new_id(at)), failure.to_bytes())


def commit(store: Any, day: date, export_id: str, *, is_over: bool = True) -> None:
    """The manifest of an export without rows: read when the day was over, or in the middle of it."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    read_at = start + timedelta(hours=26 if is_over else 12)
    columns = (
        Column(name="user_id", dtype="Int64", source_type="bigint", nullable=False),
        Column(name="purchased_at", dtype="Datetime(us, UTC)", source_type="timestamptz", nullable=False),
    )
    manifest = Manifest(
        export_id=export_id,
        pipeline=PIPELINE,
        day=day,
        timezone="UTC",
        window_start=start,
        window_end=start + timedelta(days=1),
        as_of=read_at,
        source=Source(
            dialect="postgresql",
            server_version="15.4",
            server_identity="7",
            table="purchases",
            key="user_id",
            time="purchased_at",
            where=None,
            statement="SELECT 1",
            evidence={},
        ),
        columns=columns,
        schema_fingerprint=fingerprint(columns),
        shard_function="fibonacci-u64",
        shards=(Shard(shard=0, files=(), rows=0, min_key=None, max_key=None, sums={}),),
        rows=0,
        sums={},
        reading=Reading(mode="snapshot", why="small", reader="adbc", seconds=1.5, waited_seconds={}),
        created_at=read_at,
        penstock_version="0.1.0",
    )
    store.create(DayNames(PIPELINE, day).manifest(export_id), manifest.to_bytes())
