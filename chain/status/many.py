"""Reads how far many days are.

A few are each read from their documents. For more, the history's index is valid for a loaded day as long as its head
has the same generation: one listing and an object a year instead of six requests a day. If a document of such a day is
damaged or deleted and its head is not, a status of fewer days shows it, and so does `verify`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date

from chain.history.read import recall_loaded_days
from chain.status.day import DayStatus
from chain.status.read import StatusReader
from staging.documents.head import list_heads
from staging.documents.history import LoadedDay

_FEW_DAYS = 31
_READERS = 8


def read_days(reader: StatusReader, days: Sequence[date]) -> list[DayStatus]:
    """Return how far each of the days is, in their order."""
    found = _recall(reader, days) if len(days) > _FEW_DAYS else {}
    left = [day for day in days if day not in found]
    with ThreadPoolExecutor(_READERS) as readers:
        found |= zip(left, readers.map(reader.read, left), strict=True)
    return [found[day] for day in days]


def _recall(reader: StatusReader, days: Sequence[date]) -> dict[date, DayStatus]:
    """Return the days that need not be read: without a head, or loaded and remembered."""
    name = reader.pipeline.name
    asked = set(days)
    heads = {day: info for day, info in list_heads(reader.store, name).items() if day in asked}
    loaded = recall_loaded_days(reader.store, name, heads)
    never = {day: DayStatus(day, "never run") for day in asked - heads.keys()}
    return never | {day: _as_status(day, past) for day, past in loaded.items()}


def _as_status(day: date, past: LoadedDay) -> DayStatus:
    return DayStatus(
        day=day,
        stage="loaded",
        runs=past.fence,
        run_id=past.run_id,
        export_id=past.export_id,
        rows=past.rows,
        loaded_at=past.loaded_at,
        unfinished=past.unfinished,
    )
