"""How a run takes its fence, and how a day gets its current export. The lease in the head stays as it is."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Literal

from staging.errors import GenerationChangedError, HeldError, ObjectExistsError
from staging.names import DayNames
from staging.run_documents import Head, RunRecord
from staging.store import ObjectInfo, Store

_ATTEMPTS = 50  # a head that changes more often than this in one call is no contention any more


def read_head(store: Store, names: DayNames) -> tuple[Head, int] | None:
    """Return the head and its generation, or None where the day has none."""
    found = find_head(store, names)
    return (found[0], found[1].generation) if found else None


def find_head(store: Store, names: DayNames) -> tuple[Head, ObjectInfo] | None:
    """Return the head and its object, or None where the day has none."""
    if store.find(names.head()) is None:
        return None
    data, info = store.read(names.head())
    return Head.parse(data, name=names.head()), info


def find_run(store: Store, names: DayNames, run_id: str) -> RunRecord | None:
    """Return what the run was asked to do, or None where it has not begun."""
    name = names.run(run_id)
    if store.find(name) is None:
        return None
    return RunRecord.parse(store.read(name)[0], name=name)


def begin_run(
    store: Store, names: DayNames, run_id: str, *, kind: Literal["run", "reprocess"], fresh_export: bool, now: datetime
) -> RunRecord:
    """Take the next fence and write `run.json`; an attempt of a run that has begun adopts what stands there."""
    if (begun := find_run(store, names, run_id)) is not None:
        return begun
    head = _advance_fence(store, names, run_id, now)
    record = RunRecord(
        run_id=run_id,
        pipeline=names.pipeline,
        day=names.day,
        head_id=head.head_id,
        fence=head.fence,
        kind=kind,
        fresh_export=fresh_export,
        created_at=now,
    )
    try:
        store.create(names.run(run_id), record.to_bytes())
    except ObjectExistsError:
        data, _ = store.read(names.run(run_id))
        return RunRecord.parse(data, name=names.run(run_id))
    return record


def set_current_export(store: Store, names: DayNames, record: RunRecord, export_id: str, *, now: datetime) -> None:
    """Point the head at the export this run committed, unless a newer run has taken the day over."""

    def point(head: Head | None) -> dict[str, object] | None:
        if head is None or head.head_id != record.head_id:
            raise HeldError(
                f"The head of {names.pipeline} {names.day} is not the one this run began with.",
                why="It was deleted, restored, or the bucket was replaced.",
                fix="Start a new run.",
            )
        # Two attempts of one run may both have advanced the fence, and only one fence stands in `run.json`.
        is_overtaken = head.fence > record.fence and head.run_id != record.run_id
        return None if is_overtaken or head.export_id == export_id else {"export_id": export_id}

    _change_head(store, names, point, now)


def note_run_failed(store: Store, names: DayNames, run_id: str, *, now: datetime) -> None:
    """Say in the head that the run can't go on as it is, unless a newer run has taken the day over."""

    def note(head: Head | None) -> dict[str, object] | None:
        return None if head is None or head.run_id != run_id or head.run_failed else {"run_failed": True}

    _change_head(store, names, note, now)


def _change_head(
    store: Store, names: DayNames, change: Callable[[Head | None], dict[str, object] | None], now: datetime
) -> None:
    """Replace the head by one with the fields that `change` gives, asked again whenever another write came first."""
    for _ in range(_ATTEMPTS):
        found = read_head(store, names)
        fields = change(found[0] if found else None)
        if found is None or fields is None:
            return
        head, generation = found
        changed = head.model_copy(update={**fields, "nonce": secrets.token_hex(8), "updated_at": now})
        try:
            store.replace(names.head(), changed.to_bytes(), generation=generation)
        except GenerationChangedError:
            continue
        return
    raise contended(names)


def _advance_fence(store: Store, names: DayNames, run_id: str, now: datetime) -> Head:
    for _ in range(_ATTEMPTS):
        found = read_head(store, names)
        nonce = secrets.token_hex(8)
        try:
            if found is None:
                head = Head(
                    head_id=secrets.token_hex(16),
                    pipeline=names.pipeline,
                    day=names.day,
                    fence=1,
                    run_id=run_id,
                    export_id=None,
                    nonce=nonce,
                    updated_at=now,
                )
                store.create(names.head(), head.to_bytes())
            elif found[0].run_id == run_id:
                return found[0]  # another attempt of this run took the fence and has not come to `run.json` yet
            else:
                old, generation = found
                changes = {"fence": old.fence + 1, "run_id": run_id, "run_failed": False}
                head = old.model_copy(update={**changes, "nonce": nonce, "updated_at": now})
                store.replace(names.head(), head.to_bytes(), generation=generation)
        except (ObjectExistsError, GenerationChangedError):
            continue
        return head
    raise contended(names)


def contended(names: DayNames) -> HeldError:
    """Return the error for a head that never stands still."""
    return HeldError(
        f"The head of {names.pipeline} {names.day} changes faster than it can be taken.",
        why="Many runs of this day start at once.",
        fix="Leave one of them running.",
    )
