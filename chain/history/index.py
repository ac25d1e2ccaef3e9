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
from staging.errors import GenerationChangedError, IntegrityError, ObjectExistsError
from staging.names import history_index
from staging.store import Store

_ATTEMPTS = 5
_READERS = 16


def read_index(store: Store, pipeline: str, years: Sequence[int]) -> dict[date, PastDay]:
    """Return what is remembered of the years' days."""
    with ThreadPoolExecutor(_READERS) as readers:
        found = readers.map(lambda year: _read_year(store, pipeline, year)[0], years)
        return {day.day: day for days in found for day in days.values()}


def remember_days(store: Store, pipeline: str, days: Iterable[PastDay]) -> None:
    """Put the days into their years' index.

    Where others write it all the time it is left: it can be made anew. Raises InputError and UnavailableError as the
    store does.
    """
    by_year: dict[int, list[PastDay]] = defaultdict(list)
    for day in days:
        by_year[day.day.year].append(day)
    for year, of_year in by_year.items():
        _remember_year(store, pipeline, year, {day.day: day for day in of_year})


def _remember_year(store: Store, pipeline: str, year: int, news: dict[date, PastDay]) -> None:
    name = history_index(pipeline, year)
    for _ in range(_ATTEMPTS):
        known, generation = _read_year(store, pipeline, year)
        merged = known | news
        if merged == known:
            return
        days = tuple(merged[day] for day in sorted(merged))
        data = HistoryIndex(pipeline=pipeline, year=year, days=days, nonce=secrets.token_hex(8)).to_bytes()
        try:
            if generation is None:
                store.create(name, data)
            else:
                store.replace(name, data, generation=generation)
        except (ObjectExistsError, GenerationChangedError):
            continue
        return


def _read_year(store: Store, pipeline: str, year: int) -> tuple[dict[date, PastDay], int | None]:
    """Return the year's days and the object's generation. A damaged index is as good as none, and is written anew."""
    name = history_index(pipeline, year)
    info = store.find(name)
    if info is None:
        return {}, None
    try:
        data, info = store.read(name)
        index = HistoryIndex.parse(data, name=name)
    except IntegrityError:
        return {}, info.generation
    return {day.day: day for day in index.days}, info.generation
