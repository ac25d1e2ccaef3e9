"""Remembers a day when a run of it has ended well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from chain.history.read import remember_day, store_clock
from staging.errors import PenstockError
from staging.names import DayNames
from staging.store import Store


@contextmanager
def remembered(
    store: Store, names: DayNames, now: Callable[[], datetime], say: Callable[[str], None]
) -> Iterator[None]:
    """Put the day into the history's index after the block.

    The block gives the day back; a failure to is only reported. A block that raised leaves the index as it is: what it
    says of the day does not hold any more, as the head changed.
    """
    yield
    try:
        remember_day(store, names, now=store_clock(store, now))
    except PenstockError as error:
        say(f"warning: the history's index could not be written: {error.what}")
