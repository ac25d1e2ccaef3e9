"""Reads how many rows the last stored days had.

A new day is compared with them. By names, never by listing.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice

from staging.documents.head import read_head
from staging.documents.manifest import Manifest
from staging.documents.run import Loaded, Receipt
from staging.names import DayNames
from staging.store import Store
from staging.window import Span, start_of

LAST_DAYS = 7
_LOOK_BACK = 100
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class RecentDay:
    """A day that is loaded.

    Rows of its export, rows that the target got, and the transform that made them.
    """

    day: date
    rows_exported: int
    rows_loaded: int
    transform: str


def read_recent_days(store: Store, names: DayNames, span: Span) -> list[RecentDay]:
    """Return the last seven loaded days before this one.

    Newest first; of longer windows the last seven. Left out are days whose current export is not loaded, for nobody has
    accepted it yet, and days that were read before they were over. Looks at a hundred days at most.
    """
    found: list[RecentDay] = []
    before = _days_before(names.day, span)
    with ThreadPoolExecutor(_AT_ONCE) as readers:
        while len(found) < LAST_DAYS and (days := list(islice(before, _AT_ONCE))):
            read = readers.map(lambda day: _read(store, DayNames(names.pipeline, day)), days)
            found += [each for each in read if each is not None]
    return found[:LAST_DAYS]


def find_newest_manifest(store: Store, names: DayNames, span: Span) -> Manifest | None:
    """Return the newest stored day's manifest, or None.

    Of the sixteen days before this one.
    """
    days = list(islice(_days_before(names.day, span), _AT_ONCE))
    with ThreadPoolExecutor(_AT_ONCE) as readers:
        found = readers.map(lambda day: read_head(store, DayNames(names.pipeline, day)), days)
        exports = [(day, head[0].export_id) for day, head in zip(days, found, strict=True) if head is not None]
    for day, export_id in exports:
        name = DayNames(names.pipeline, day).manifest(export_id) if export_id is not None else None
        if name is not None and store.find(name) is not None:
            return Manifest.parse(store.read(name)[0], name=name)
    return None


def _days_before(day: date, span: Span) -> Iterator[date]:
    for _ in range(_LOOK_BACK):
        if day == date.min:
            return
        day = start_of(day - timedelta(days=1), span)
        yield day


def _read(store: Store, names: DayNames) -> RecentDay | None:
    head = read_head(store, names)
    if head is None or (run_id := head[0].run_id) is None or (export_id := head[0].export_id) is None:
        return None
    needed = (names.loaded(run_id), names.manifest(export_id), names.receipt(run_id, 0))
    if any(store.find(name) is None for name in needed):
        return None
    loaded, manifest, receipt = (store.read(name)[0] for name in needed)
    said = Loaded.parse(loaded, name=needed[0])
    export = Manifest.parse(manifest, name=needed[1])
    if said.export_id != export_id or export.unfinished:
        return None
    return RecentDay(names.day, export.rows, said.rows, Receipt.parse(receipt, name=needed[2]).transform)
