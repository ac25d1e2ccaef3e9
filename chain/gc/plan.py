"""Decides which exports and runs of a day nobody needs.

Reads the bucket and deletes nothing; asks no database. It keeps the current export; the head's run; for each head that
the day ever had, the newest run that left a note of having loaded and every later one, as the target's ledger names one
of them; what is younger than the bound; and the exports that any of these runs uses. A day without a head is kept
whole: its head was lost, and nobody can tell what is current.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from chain.gc.bundles import Bundle, StoredDay
from staging.documents.run import Head, RunExport, RunRecord
from staging.documents.run_start import find_run
from staging.names import DayNames
from staging.store import ObjectInfo, Store

_CLOCKS_APART = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class DayGarbage:
    """What may go, runs before exports.

    `head_generation` is that of the head by which it was decided. `kept_whole` says why nothing of the day may go,
    empty where something could.
    """

    names: DayNames
    bundles: tuple[Bundle, ...] = ()
    head_generation: int = 0
    kept_whole: str = ""


def plan_garbage(
    store: Store, day: StoredDay, *, older_than: timedelta, now: datetime, used_elsewhere: frozenset[str] = frozenset()
) -> DayGarbage:
    """Return the exports and runs that nobody needs.

    Each was last written longer ago than `older_than`. `used_elsewhere` are the day's exports that a longer window of
    another pipeline uses.
    """
    names = day.names
    rest = find_head_at_rest(store, names, now)
    if isinstance(rest, str):
        return DayGarbage(names, kept_whole=rest)
    head, info = rest
    young = {bundle.id for bundle in day.bundles if bundle.updated_at + older_than > now}
    runs = _live_runs(store, day, head) | young
    exports = _exports_of(store, day, runs) | young | {head.export_id} | used_elsewhere
    garbage = [bundle for bundle in day.runs if bundle.id not in runs]
    garbage += [bundle for bundle in day.bundles if bundle.kind == "export" and bundle.id not in exports]
    return DayGarbage(names, tuple(garbage), info.generation)


def find_head_at_rest(store: Store, names: DayNames, now: datetime) -> tuple[Head, ObjectInfo] | str:
    """Return the head of a day that nobody works on.

    Else why nothing of the day may go.
    """
    if store.find(names.head()) is None:
        return "it has no head: nobody can tell which export is current"
    data, info = store.read(names.head())
    head = Head.parse(data, name=names.head())
    if (lease := head.lease) and info.updated_at + timedelta(seconds=lease.seconds) + _CLOCKS_APART > now:
        return f"{lease.holder} works on it since {lease.since:%Y-%m-%d %H:%M:%S} UTC"
    return head, info


def _live_runs(store: Store, day: StoredDay, head: Head) -> set[str]:
    """Return the head's run and those that the ledger may name.

    A loader that was cut off after its commit leaves no note, so newer runs count that have anything to load. Only runs
    of one head are compared: fences of two heads say nothing of each other, and the ledger may name a run of either.
    """
    records = _read_records(store, day)
    live = {head.run_id} if head.run_id else set()
    for head_id in {record.head_id for record in records.values()}:
        fences = {run_id: record.fence for run_id, record in records.items() if record.head_id == head_id}
        newest = max((fences[run.id] for run in day.runs if "loaded" in run.kinds and run.id in fences), default=0)
        live |= {run.id for run in day.runs if "receipt" in run.kinds and fences.get(run.id, 0) >= max(newest, 1)}
    return live


def _read_records(store: Store, day: StoredDay) -> Mapping[str, RunRecord]:
    """Return what each run was asked to do; nothing loads a run that does not say so."""
    records = ((run.id, find_run(store, day.names, run.id)) for run in day.runs if run.whole)
    return {run_id: record for run_id, record in records if record is not None}


def _exports_of(store: Store, day: StoredDay, runs: set[str]) -> set[str | None]:
    used: set[str | None] = set()
    for run in day.runs:
        if run.id in runs and "export" in run.kinds:
            name = day.names.run_export(run.id)
            used.add(RunExport.parse(store.read(name)[0], name=name).export_id)
    return used
