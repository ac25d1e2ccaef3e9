"""Goes through a pipeline's days and gives, or deletes, what nobody needs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from chain.gc.bundles import list_days
from chain.gc.collect import collect_garbage
from chain.gc.plan import DayGarbage, plan_garbage
from staging.documents.stored_days import find_uses
from staging.process.cancel import Cancel
from staging.store import Store


def clean_up(
    store: Store, pipeline: str, cancel: Cancel, older_than: timedelta, now: datetime, *, delete: bool
) -> Iterator[DayGarbage]:
    """Yield what of each day may go.

    With `delete` after it is gone.
    """
    used = find_uses(store, pipeline)
    for day in list_days(store, pipeline):
        cancel.check()
        elsewhere = used.get(day.names.day, frozenset())
        garbage = plan_garbage(store, day, older_than=older_than, now=now, used_elsewhere=elsewhere)
        if garbage.bundles and delete and not collect_garbage(store, garbage, cancel):
            garbage = DayGarbage(garbage.names, kept_whole="somebody began to work on it meanwhile")
        yield garbage
