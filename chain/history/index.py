"""Keeps an index of past days.

One object a year, made from the days' own documents.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date

from staging.documents.history import HistoryIndex, PastDay
from staging.documents.memory import recall, remember
from staging.names import history_index
from staging.store import Store

_READERS = 16


def read_index(store: Store, pipeline: str, years: Sequence[int]) -> dict[date, PastDay]:
    """Return what is remembered of the years' days."""
    with ThreadPoolExecutor(_READERS) as readers:
        found = readers.map(lambda year: _read_year(store, pipeline, year), years)
        return {day.day: day for days in found for day in days.values()}


def remember_days(store: Store, pipeline: str, days: Iterable[PastDay]) -> None:
    """Put the days into their years' index.

    If others write it all the time it is left as it is: it can be rebuilt. Raises InputError and UnavailableError as
    the store does.
    """
    by_year: dict[int, list[PastDay]] = defaultdict(list)
    for day in days:
        by_year[day.day.year].append(day)
    for year, of_year in by_year.items():
        _remember_year(store, pipeline, year, {day.day: day for day in of_year})


def _remember_year(store: Store, pipeline: str, year: int, news: dict[date, PastDay]) -> None:
    def merged(index: HistoryIndex | None) -> HistoryIndex | None:
        known = {day.day: day for day in index.days} if index else {}
        after = known | news
        if after == known:
            return None
        days = tuple(after[day] for day in sorted(after))
        return HistoryIndex(pipeline=pipeline, year=year, days=days, nonce=secrets.token_hex(8))

    remember(store, history_index(pipeline, year), HistoryIndex, merged)


def _read_year(store: Store, pipeline: str, year: int) -> dict[date, PastDay]:
    index = recall(store, history_index(pipeline, year), HistoryIndex)
    return {day.day: day for day in index.days} if index else {}
