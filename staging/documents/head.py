"""Reads and writes the head of a day.

The one way to write it is a compare-and-swap that is tried again when lost.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import date, datetime

from staging.documents.run import Head
from staging.errors import GenerationChangedError, HeldError, ObjectExistsError
from staging.names import DayNames, heads_prefix, parse_name
from staging.store import ObjectInfo, Store

_ATTEMPTS = 50  # a head that changes more often than this in one call is no contention any more

Change = Callable[[Head, ObjectInfo | None], Mapping[str, object] | None]
"""Gives the fields to write, None to leave all as it is. For a day without a head it gets a new one, and no object."""


def read_head(store: Store, names: DayNames) -> tuple[Head, int] | None:
    """Return the head and its generation, or None.

    None where the day has none.
    """
    found = find_head(store, names)
    return (found[0], found[1].generation) if found else None


def find_head(store: Store, names: DayNames) -> tuple[Head, ObjectInfo] | None:
    """Return the head and its object, or None.

    None where the day has none.
    """
    if store.find(names.head()) is None:
        return None
    data, info = store.read(names.head())
    return Head.parse(data, name=names.head()), info


def list_heads(store: Store, pipeline: str) -> dict[date, ObjectInfo]:
    """Return the head of each day that has one.

    In the days' order.
    """
    found = {}
    for info in store.list(heads_prefix(pipeline)):
        parsed = parse_name(info.name)
        if parsed is not None and parsed.kind == "head":
            found[parsed.day] = info
    return dict(sorted(found.items()))


def change_head(store: Store, names: DayNames, change: Change, now: datetime) -> Head:
    """Write the fields that `change` gives; return the head.

    `change` is asked again whenever another write came first. Every other field stays as it was. HeldError for a head
    that others change all the time.
    """
    for _ in range(_ATTEMPTS):
        found = find_head(store, names)
        head, info = found or (_new_head(names, now), None)
        fields = change(head, info)
        if fields is None:
            return head
        changed = head.model_copy(update={**fields, "nonce": secrets.token_hex(8), "updated_at": now})
        try:
            if info is None:
                store.create(names.head(), changed.to_bytes())
            else:
                store.replace(names.head(), changed.to_bytes(), generation=info.generation)
        except (ObjectExistsError, GenerationChangedError):
            continue
        return changed
    raise HeldError(
        f"The head of {names.pipeline} {names.day} changes faster than it can be taken.",
        why="Many runs of this day start at once.",
        fix="Leave one of them running.",
    )


def _new_head(names: DayNames, now: datetime) -> Head:
    return Head(
        head_id=secrets.token_hex(16),
        pipeline=names.pipeline,
        day=names.day,
        fence=0,
        run_id=None,
        export_id=None,
        nonce=secrets.token_hex(8),
        updated_at=now,
    )
