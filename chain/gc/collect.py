"""Goes through a pipeline's days and lists, or deletes, what nobody needs.

It deletes first what makes the rest count, so that a half never looks whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from chain.gc.bundles import list_days
from chain.gc.plan import DayGarbage, plan_garbage
from staging.documents.stored_days import find_uses
from staging.process.cancel import Cancel
from staging.store import ObjectInfo, Store

_DELETERS = 16  # a deletion is one small request; thousands one after the other would take minutes


def clean_up(
    store: Store, pipeline: str, cancel: Cancel, older_than: timedelta, now: datetime, *, delete: bool
) -> Iterator[DayGarbage]:
    """Yield what may be deleted, day by day.

    With `delete`, after it was deleted.
    """
    used = find_uses(store, pipeline)
    for day in list_days(store, pipeline):
        cancel.check()
        elsewhere = used.get(day.names.day, frozenset())
        garbage = plan_garbage(store, day, older_than=older_than, now=now, used_elsewhere=elsewhere)
        if garbage.bundles and delete and not collect_garbage(store, garbage, cancel):
            garbage = DayGarbage(garbage.names, kept_whole="somebody began to work on it meanwhile")
        yield garbage


def collect_garbage(store: Store, garbage: DayGarbage, cancel: Cancel, *, target: Store | None = None) -> bool:
    """Delete it, each object by the generation that was listed.

    False where the day's head was changed meanwhile. Nothing of it can become current again: a run names the current
    export or one of its own. The look at the head only spares trouble to a run that is being resumed.
    InterruptedRunError when `cancel` is set; the same call again continues.
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
