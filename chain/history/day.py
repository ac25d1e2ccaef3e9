"""Reads the runs of one day from the bucket alone.

From its documents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from staging.documents.exports import find_export
from staging.documents.history import LoadedDay, PastDay, PastRun, RunOutcome
from staging.documents.lease import lease_end
from staging.documents.run import Head, Loaded, RunFailure, RunRecord
from staging.errors import IntegrityError
from staging.names import DayNames, parse_name
from staging.process.cancel import STOPPED
from staging.store import ObjectInfo, Store

VERSION = 2
"""The version of a day's entry in the index; see `PastDay`."""


def read_past_day(store: Store, names: DayNames, *, now: datetime) -> PastDay:
    """Return all runs of a day that has a head.

    `now` is by the store's clock. Raises IntegrityError for a damaged document.
    """
    data, info = store.read(names.head())
    head = Head.parse(data, name=names.head())
    is_held = head.lease is not None and now <= lease_end(head.lease, info)
    # Most days have one run; then its own objects are all there is to list, and no shard of the day's exports.
    only = head.run_id if head.fence == 1 and head.run_id else None
    prefix = names.run_prefix(only) if only else names.runs_prefix()
    by_run = _by_run(store, prefix) if head.run_id else {}
    runs = [
        run
        for run_id, objects in by_run.items()
        if (run := _read_run(store, objects, is_at_work=is_held and run_id == head.run_id)) is not None
    ]
    return PastDay(
        day=names.day,
        head_generation=info.generation,
        runs=tuple(sorted(runs, key=lambda run: run.began_at)),
        version=VERSION,
        loaded=_read_loaded(store, names, head, by_run.get(head.run_id or "", {})),
    )


def is_loaded(day: PastDay) -> bool:
    """Return whether any of its runs has loaded it.

    A later one that failed took nothing away.
    """
    return any(run.rows is not None for run in day.runs)


def is_settled(day: PastDay) -> bool:
    """Return whether the day changes only if its head does.

    Its last run has loaded it.
    """
    return bool(day.runs) and day.runs[-1].outcome == "loaded"


def _read_loaded(
    store: Store, names: DayNames, head: Head, objects: Mapping[str, list[ObjectInfo]]
) -> LoadedDay | None:
    """Return the status that is valid as long as the head stays; None unless the day is loaded and at rest."""
    if head.lease is not None or head.run_id is None or "loaded" not in objects:
        return None
    name, failure = objects["loaded"][0].name, _last_failure(store, objects)
    note = Loaded.parse(store.read(name)[0], name=name)
    if note.export_id != head.export_id or (failure is not None and failure.failed_at >= note.loaded_at):
        return None
    try:
        export = find_export(store, names, note.export_id)
    except IntegrityError:  # the day's status reports it; its runs can be listed all the same
        return None
    if export is None:
        return None
    return LoadedDay(
        fence=head.fence,
        run_id=head.run_id,
        export_id=note.export_id,
        rows=note.rows,
        loaded_at=note.loaded_at,
        unfinished=export.manifest.unfinished,
    )


def _by_run(store: Store, prefix: str) -> Mapping[str, dict[str, list[ObjectInfo]]]:
    """Return the objects of each run by their kind, in name order."""
    found: dict[str, dict[str, list[ObjectInfo]]] = defaultdict(lambda: defaultdict(list))
    for info in store.list(prefix):
        parsed = parse_name(info.name)
        if parsed is not None and parsed.run_id is not None:
            found[parsed.run_id][parsed.kind].append(info)
    return found


def _read_run(store: Store, objects: Mapping[str, list[ObjectInfo]], *, is_at_work: bool) -> PastRun | None:
    """Return the run, None where it died before it said what it was asked to do."""
    if "run" not in objects:
        return None
    name = objects["run"][0].name
    record = RunRecord.parse(store.read(name)[0], name=name)
    loaded, failure = _last_load(store, objects), _last_failure(store, objects)
    if failure is not None and loaded is not None and loaded.loaded_at > failure.failed_at:
        failure = None
    outcome = _outcome(loaded, failure, is_at_work=is_at_work)
    ended_at = loaded.loaded_at if outcome == "loaded" and loaded else failure.failed_at if failure else None
    return PastRun(
        run_id=record.run_id,
        kind=record.kind,
        fresh_export=record.fresh_export,
        by=record.by,
        began_at=record.created_at,
        ended_at=ended_at,
        outcome=outcome,
        seconds=_stages(record, objects, loaded),
        export_id=loaded.export_id if loaded else None,
        rows=loaded.rows if loaded else None,
        inserted=loaded.inserted if loaded else None,
        updated=loaded.updated if loaded else None,
        deleted=loaded.deleted if loaded else None,
        totals=dict(loaded.totals) if loaded else {},
        exit_code=failure.exit_code if failure else 0,
        error=" ".join(failure.what.split()) if failure else "",
    )


def _outcome(loaded: Loaded | None, failure: RunFailure | None, *, is_at_work: bool) -> RunOutcome:
    if is_at_work:
        return "running"
    if failure is not None:
        return "stopped" if failure.stopped or failure.what.startswith(STOPPED) else "failed"
    return "loaded" if loaded else "unfinished"


def _last_load(store: Store, objects: Mapping[str, list[ObjectInfo]]) -> Loaded | None:
    notes = objects.get("reloaded") or objects.get("loaded")
    return Loaded.parse(store.read(notes[-1].name)[0], name=notes[-1].name) if notes else None


def _last_failure(store: Store, objects: Mapping[str, list[ObjectInfo]]) -> RunFailure | None:
    notes = objects.get("failure")
    return RunFailure.parse(store.read(notes[-1].name)[0], name=notes[-1].name) if notes else None


def _stages(
    record: RunRecord, objects: Mapping[str, list[ObjectInfo]], loaded: Loaded | None
) -> dict[Literal["export", "process", "load"], float]:
    """Return the seconds between the documents that end a stage; the first is written when a run has its export."""
    exported = objects["export"][0].updated_at if "export" in objects else None
    processed = max((info.updated_at for info in objects.get("receipt", ())), default=None)
    stages: list[tuple[Literal["export", "process", "load"], datetime | None, datetime | None]] = [
        ("export", record.created_at, exported),
        ("process", exported, processed),
        ("load", processed or exported, loaded.loaded_at if loaded else None),
    ]
    return {stage: max(0.0, round((end - begin).total_seconds(), 3)) for stage, begin, end in stages if begin and end}
