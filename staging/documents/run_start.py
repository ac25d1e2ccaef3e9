"""Gives a run its fence, and a day its current export.

The lease in the head stays as it is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from staging.documents.head import change_head
from staging.documents.run import Head, RunRecord
from staging.errors import HeldError, ObjectExistsError
from staging.names import DayNames
from staging.store import ObjectInfo, Store


def find_run(store: Store, names: DayNames, run_id: str) -> RunRecord | None:
    """Return what the run was asked to do, or None.

    None where it has not begun.
    """
    name = names.run(run_id)
    if store.find(name) is None:
        return None
    return RunRecord.parse(store.read(name)[0], name=name)


def begin_run(
    store: Store,
    names: DayNames,
    run_id: str,
    *,
    kind: Literal["run", "reprocess"],
    fresh_export: bool,
    now: datetime,
    by: str = "",
    above_fence: int = 0,
) -> RunRecord:
    """Take the next fence and write `run.json`.

    An attempt of a run that has begun adopts what is there. The fence is above `above_fence`, too: the ledger's, where
    the head was restored from an older copy.
    """
    if (begun := find_run(store, names, run_id)) is not None:
        return begun
    head = _advance_fence(store, names, run_id, now, above_fence)
    record = RunRecord(
        run_id=run_id,
        pipeline=names.pipeline,
        day=names.day,
        head_id=head.head_id,
        fence=head.fence,
        kind=kind,
        fresh_export=fresh_export,
        created_at=now,
        by=by,
    )
    try:
        store.create(names.run(run_id), record.to_bytes())
    except ObjectExistsError:
        data, _ = store.read(names.run(run_id))
        return RunRecord.parse(data, name=names.run(run_id))
    return record


def set_current_export(store: Store, names: DayNames, record: RunRecord, export_id: str, *, now: datetime) -> None:
    """Point the head at the export this run committed.

    Unless a newer run has taken the day over.
    """

    def point(head: Head, _: ObjectInfo | None) -> dict[str, object] | None:
        if head.head_id != record.head_id:
            raise HeldError(
                f"The head of {names.pipeline} {names.day} is not the one this run began with.",
                why="It was deleted, restored, or the bucket was replaced.",
                fix="Start a new run.",
            )
        # Two attempts of one run may both have advanced the fence, and only one fence is in `run.json`.
        is_overtaken = head.fence > record.fence and head.run_id != record.run_id
        return None if is_overtaken or head.export_id == export_id else {"export_id": export_id}

    change_head(store, names, point, now)


def note_run_failed(store: Store, names: DayNames, run_id: str, *, now: datetime) -> None:
    """Note in the head that the run can't go on.

    Unless a newer run has taken the day over.
    """

    def note(head: Head, _: ObjectInfo | None) -> dict[str, object] | None:
        return None if head.run_id != run_id or head.run_failed else {"run_failed": True}

    change_head(store, names, note, now)


def _advance_fence(store: Store, names: DayNames, run_id: str, now: datetime, above_fence: int) -> Head:
    def advance(head: Head, _: ObjectInfo | None) -> dict[str, object] | None:
        if head.run_id == run_id:
            return None  # another attempt of this run took the fence and has not written `run.json` yet
        return {"fence": max(head.fence, above_fence) + 1, "run_id": run_id, "run_failed": False}

    return change_head(store, names, advance, now)
