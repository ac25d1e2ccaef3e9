"""Deletes what nobody needs.

First what makes the rest count, so that a half of it is nothing that looks whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from chain.gc.plan import DayGarbage
from staging.process.cancel import Cancel
from staging.store import ObjectInfo, Store

_DELETERS = 16  # a deletion is one small request; thousands one after the other would take minutes


def collect_garbage(store: Store, garbage: DayGarbage, cancel: Cancel, *, target: Store | None = None) -> bool:
    """Delete it, each object by the generation that was listed.

    False where the day's head was changed meanwhile. Nothing of it can become current again: a run names the current
    export or one of its own. The look at the head only spares a run that is being continued the trouble.
    InterruptedRunError when `cancel` is set; the same again goes on.
    """
    place = target or store  # where it lies; the head is always in staging
    head = store.find(garbage.names.head())
    if head is None or head.generation != garbage.head_generation:
        return False
    for bundle in garbage.bundles:
        for info in bundle.first:
            cancel.check()
            place.delete(info.name, generation=info.generation)
        _delete_all(place, bundle.rest, cancel)
    return True


def _delete_all(store: Store, objects: Sequence[ObjectInfo], cancel: Cancel) -> None:
    def delete(info: ObjectInfo) -> None:
        if not cancel.is_set():
            store.delete(info.name, generation=info.generation)

    with ThreadPoolExecutor(_DELETERS) as deleters:
        list(deleters.map(delete, objects))
    cancel.check()
