"""Remembers a day when a run of it has ended well.

For many days the index is written once for twenty: writing it for each would cost more than looking at the day.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime

from chain.history.day import is_settled, read_past_day
from chain.history.index import remember_days
from chain.history.read import remember_day, store_clock
from staging.documents.history import PastDay
from staging.errors import PenstockError
from staging.names import DayNames
from staging.store import Store

_AT_ONCE = 20


@contextmanager
def remembered(
    store: Store, names: DayNames, now: Callable[[], datetime], say: Callable[[str], None]
) -> Iterator[None]:
    """Put the day into the history's index after the block.

    The block gives the day back. A failure to write the index is only reported. A block that raised leaves the index as
    it is: its entry is no longer valid, as the head changed.
    """
    yield
    with _warned(say):
        remember_day(store, names, now=store_clock(store, now))


@contextmanager
def remembering(
    store: Store, pipeline: str, now: Callable[[], datetime], say: Callable[[str], None]
) -> Iterator[RememberedDays]:
    """Yield an object that remembers many days.

    Also those that were done before the block raised.
    """
    days = RememberedDays(store, pipeline, now, say)
    try:
        yield days
    finally:
        days.write()


class RememberedDays:
    """Days that are to be put into the index; from any thread."""

    def __init__(self, store: Store, pipeline: str, now: Callable[[], datetime], say: Callable[[str], None]) -> None:
        self._store = store
        self._pipeline = pipeline
        self._now = store_clock(store, now)
        self._say = say
        self._days: dict[date, PastDay] = {}
        self._lock = threading.Lock()

    @contextmanager
    def after(self, names: DayNames) -> Iterator[None]:
        """Remember the day after the block, as `remembered`, but not at once."""
        yield
        with _warned(self._say):
            day = read_past_day(self._store, names, now=self._now())
            if is_settled(day):
                with self._lock:
                    self._days[day.day] = day
        if len(self._days) >= _AT_ONCE:
            self.write()

    def write(self) -> None:
        """Put into the index what is not there yet."""
        with self._lock:
            days, self._days = self._days, {}
        with _warned(self._say):
            remember_days(self._store, self._pipeline, days.values())


@contextmanager
def _warned(say: Callable[[str], None]) -> Iterator[None]:
    """Report a failure, and no more: the day is done."""
    try:
        yield
    except PenstockError as error:
        say(f"warning: the history's index could not be written: {error.what}")
