"""Reads the runs of a pipeline's days.

From the index where it is valid, else from the day's own documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime

from chain.history.day import VERSION, is_loaded, is_settled, read_past_day
from chain.history.index import read_index, remember_days
from staging.documents.head import list_heads
from staging.documents.history import LoadedDay, PastDay
from staging.errors import InputError, IntegrityError, PenstockError
from staging.hours.name import Hour, day_of
from staging.names import DayNames
from staging.store import ObjectInfo, Store

_READERS = 16
_WORTH_REMEMBERING_DAYS = 20
"""It costs little to read a few days that the index lacks; a day that runs adds itself to the index."""


@dataclass(frozen=True, slots=True)
class History:
    """Days that have a head, and those with a damaged document.

    In their order; with what is damaged and why.
    """

    days: tuple[PastDay, ...]
    damaged: dict[date, str]

    @property
    def loaded_days(self) -> tuple[date, ...]:
        """The days that some run has loaded, in their order."""
        return tuple(day.day for day in self.days if is_loaded(day))


def read_history(
    store: Store,
    pipeline: str,
    *,
    first: date | None = None,
    last: date | None = None,
    newest: int | None = None,
    now: Callable[[], datetime],
) -> History:
    """Return the runs of days from `first` to `last`.

    Both inclusive; or of the `newest` days. What the index lacks is read from the documents, and added to it where this
    may write.
    """
    heads = list_heads(store, pipeline)
    wanted = [day for day in heads if _is_within(day, first, last)]
    wanted = wanted[-newest:] if newest else wanted
    known = read_index(store, pipeline, sorted({day.year for day in wanted}))
    stale = [day for day in wanted if not _holds(known.get(day), heads[day])]
    fresh, damaged = _read_days(store, pipeline, stale, now) if stale else ({}, {})
    settled = [day for day in fresh.values() if is_settled(day)]
    if len(settled) >= _WORTH_REMEMBERING_DAYS:
        _try_to_remember(store, pipeline, settled)
    days = [fresh.get(day) or known[day] for day in wanted if day not in damaged and (day in fresh or day in known)]
    return History(tuple(days), damaged)


def _is_within(day: date, first: date | None, last: date | None) -> bool:
    """Return whether a window is in the range; an end that is a day includes all its hours."""
    return (first is None or _as_end(day, first) >= first) and (last is None or _as_end(day, last) <= last)


def _as_end(day: date, end: date) -> date:
    return day if isinstance(end, Hour) else day_of(day)


def recall_loaded_days(store: Store, pipeline: str, heads: Mapping[date, ObjectInfo]) -> dict[date, LoadedDay]:
    """Return the days that are loaded according to the index.

    Only days of these heads whose head has not changed since. It reads the index alone.
    """
    known = read_index(store, pipeline, sorted({day.year for day in heads}))
    return {
        day: past.loaded
        for day, head in heads.items()
        if (past := known.get(day)) is not None and past.loaded is not None and _holds(past, head)
    }


def _holds(past: PastDay | None, head: ObjectInfo) -> bool:
    """Return whether the index has all there is to know of a day: its head has not changed since."""
    return past is not None and past.head_generation == head.generation and past.version >= VERSION


def remember_day(store: Store, names: DayNames, *, now: Callable[[], datetime]) -> None:
    """Put one day into the index if it is settled.

    Its last run has loaded it and nobody works on it.
    """
    if store.find(names.head()) is not None:
        day = read_past_day(store, names, now=now())
        if is_settled(day):
            remember_days(store, names.pipeline, [day])


def _read_days(
    store: Store, pipeline: str, days: list[date], now: Callable[[], datetime]
) -> tuple[dict[date, PastDay], dict[date, str]]:
    asked_at, damaged = now(), {}

    def read(day: date) -> PastDay | None:
        try:
            return read_past_day(store, DayNames(pipeline, day), now=asked_at)
        except IntegrityError as error:
            damaged[day] = error.what
            return None

    with ThreadPoolExecutor(_READERS) as readers:
        found = zip(days, readers.map(read, days), strict=True)
        return {day: past for day, past in found if past is not None}, damaged


def _try_to_remember(store: Store, pipeline: str, days: list[PastDay]) -> None:
    try:
        remember_days(store, pipeline, days)
    except PenstockError:  # a user who may only read reads all again the next time, and misses nothing
        return


def store_clock(store: Store, local: Callable[[], datetime]) -> Callable[[], datetime]:
    """Return the store's clock.

    `local` where it gives none, as a folder to somebody who may only read it.
    """

    def now() -> datetime:
        try:
            return store.now()
        except InputError:
            return local()

    return now
