"""Reads how many rows the last stored days had.

A new day is compared with them. By names, never by listing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import islice
from statistics import median
from zoneinfo import ZoneInfo

from staging.documents.exports import find_current_id, find_export
from staging.documents.head import read_head
from staging.documents.manifest import Manifest
from staging.documents.run_notes import find_loaded, find_receipt
from staging.hours.name import Hour, day_of
from staging.hours.zone import hours_on
from staging.names import DayNames
from staging.store import Store
from staging.window import Span, windows_before

LAST_DAYS = 7
_LOOK_BACK = 100
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class RecentDay:
    """A day that is loaded.

    Rows of its export, rows that the target got, the transform that made them, and rows of each table beside the
    leading one.
    """

    day: date
    rows_exported: int
    rows_loaded: int
    transform: str
    rows_of_tables: Mapping[str, int]


def read_recent_days(store: Store, names: DayNames, span: Span, zone: ZoneInfo) -> list[RecentDay]:
    """Return the last seven loaded days before this one.

    Newest first; of longer windows the last seven, of hours the same hour of the last seven days. Left out are days
    whose current export is not loaded, for nobody has accepted it yet, and days that were read before their end.
    Looks at a hundred days at most.
    """
    found: list[RecentDay] = []
    before = islice(_alike_before(names.day, span, zone), _LOOK_BACK)
    with ThreadPoolExecutor(_AT_ONCE) as readers:
        while len(found) < LAST_DAYS and (days := list(islice(before, _AT_ONCE))):
            read = readers.map(lambda day: find_accepted(store, DayNames(names.pipeline, day)), days)
            found += [each for each in read if each is not None]
    return found[:LAST_DAYS]


def find_newest_manifest(store: Store, names: DayNames, span: Span, zone: ZoneInfo) -> Manifest | None:
    """Return the newest stored day's manifest, or None.

    Of the sixteen days before this one.
    """
    days = list(islice(windows_before(names.day, span, zone), _AT_ONCE))
    with ThreadPoolExecutor(_AT_ONCE) as readers:
        exports = list(readers.map(lambda day: find_current_id(store, DayNames(names.pipeline, day)), days))
    for day, export_id in zip(days, exports, strict=True):
        found = find_export(store, DayNames(names.pipeline, day), export_id) if export_id is not None else None
        if found is not None:
            return found.manifest
    return None


def median_of_shrunken(rows: int, recent: Sequence[int], max_drop: float) -> Decimal | None:
    """Return the recent days' median if `rows` fall short of it.

    None if they are at least what `max_drop` leaves of it.
    """
    if not recent:
        return None
    middle = median(map(Decimal, recent))
    return middle if rows < middle * (1 - Decimal(str(max_drop))) else None


def _alike_before(day: date, span: Span, zone: ZoneInfo) -> Iterator[date]:
    """Yield windows that should be about as large. An hour of the night is not compared with one of the evening."""
    if not isinstance(day, Hour):
        yield from windows_before(day, span, zone)
        return
    for before in windows_before(day_of(day), "day", zone):
        yield from (hour for hour in reversed(hours_on(before, zone)) if hour.start.hour == day.start.hour)


def find_accepted(store: Store, names: DayNames) -> RecentDay | None:
    """Return a day that somebody accepted, or None.

    Its current export is loaded, and was not read before the day's end.
    """
    head = read_head(store, names)
    if head is None or (run_id := head[0].run_id) is None or (export_id := head[0].export_id) is None:
        return None
    loaded = find_loaded(store, names, run_id)
    if loaded is None or loaded.export_id != export_id:
        return None
    export, receipt = find_export(store, names, export_id), find_receipt(store, names, run_id, 0)
    if export is None or receipt is None or export.manifest.read_early:
        return None
    tables = {table.name: table.rows for table in export.manifest.tables}
    return RecentDay(names.day, export.manifest.rows, loaded.rows, receipt.transform, tables)
