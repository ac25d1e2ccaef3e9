"""Keeps days, and tries those again that could not be had."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from chain.day.patience import Patience, may_be_tried_again
from chain.keep.bring import Keeping, keep_days
from chain.keep.kept import KeptDay
from staging.errors import UnavailableError
from staging.process.cancel import Cancel


def persist_days(keeping: Keeping, patience: Patience, cancel: Cancel) -> list[KeptDay]:
    """Return what became of each day, in their order.

    A further try takes only those that another try may help. Raises what `keep_days` does where no try began a day.
    """
    kept: dict[date, KeptDay] = {}

    def attempt() -> None:
        waiting = [day for day in keeping.days if day not in kept or _may_be_tried_again(kept[day])]
        kept.update((day.day, day) for day in keep_days(replace(keeping, days=waiting), cancel))
        if left := [day for day in kept.values() if _may_be_tried_again(day)]:
            raise UnavailableError(f"{len(left)} of {len(kept)} days could not be kept now.", why=left[0].why)

    try:
        patience.persist(attempt)
    except UnavailableError:
        if not kept:
            raise
    return [kept[day] for day in keeping.days]


def _may_be_tried_again(day: KeptDay) -> bool:
    return day.error is not None and may_be_tried_again(day.error)
