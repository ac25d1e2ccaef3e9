"""Reads the stored exports of a window's days.

The rows of a longer window, read by manifest and generation, from no database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from itertools import groupby, islice
from zoneinfo import ZoneInfo

from staging.config.pipeline import Pipeline
from staging.documents.exports import find_current_id, find_export
from staging.documents.head import list_heads, read_head
from staging.documents.manifest import Manifest, SourceExport
from staging.documents.recent_days import LAST_DAYS, find_accepted, median_of_shrunken, read_recent_days
from staging.documents.run_notes import find_last_failure
from staging.errors import ExitCode, InputError, IntegrityError
from staging.hours.name import Hour, day_of
from staging.names import DayNames, heads_prefix, parse_name
from staging.store import Store
from staging.window import days_within, load_zone, windows_of

_SHOWN_DAYS = 5
_READERS = 16


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why a day can't be part of a window.

    `is_doubted`: its size is doubted, and somebody may accept it. `is_lost`: it was stored, so nobody meant it to be
    missing.
    """

    why: str
    is_doubted: bool = False
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class StoredDay:
    """The current export of one day or hour, as its manifest says."""

    manifest: Manifest
    named: SourceExport


def read_stored_days(store: Store, pipeline: Pipeline, day: date) -> list[StoredDay]:
    """Return the current exports of a window's days, in order.

    For a day that is stored by the hour, those of its hours. The window begins with `day`. InputError names the days
    that have no export, or one that was read before its day was over, or one of a size that nobody has accepted; with
    `source.allow_missing` they are left out, but not all of them. InputError also where the exports have no rows of
    their own, IntegrityError where the manifest of one is gone.
    """
    name = str(pipeline.source.exports)
    whole, left_out = _find_whole(store, pipeline, day)
    for stored in whole:
        _check_has_rows_of_its_own(stored.manifest)
    if lost := [each for each, left in left_out.items() if left.is_lost]:
        raise IntegrityError(
            f"{len(lost)} of the stored exports of {name} are gone, for the {pipeline.source.window} of {day}.",
            why=_list_days({each: left_out[each] for each in lost}),
            fix=f"Read them again: `penstock backfill --fresh-export --from {day_of(lost[0])} --to {day_of(lost[-1])}` "
            f"of {name}.",
        )
    if not whole or (left_out and not pipeline.source.allow_missing):
        missing = list(left_out)
        what = "hours" if any(isinstance(each, Hour) for each in missing) else "days"
        raise InputError(
            f"{len(missing)} of {len(missing) + len(whole)} {what} of {name} are not there for the "
            f"{pipeline.source.window} of {day}.",
            why=_list_days(left_out),
            fix=f"Bring them to done with `penstock backfill --from {day_of(missing[0])} --to {day_of(missing[-1])}` "
            f"of {name}"
            + (
                ", a doubted one that is right with --accept-change"
                if any(day.is_doubted for day in left_out.values())
                else ""
            )
            + (", or set `source.allow_missing`." if whole else "."),
        )
    return whole


def _check_has_rows_of_its_own(manifest: Manifest) -> None:
    """Raise InputError where an export only names the files of others.

    A window of such exports would depend on others that it does not name: it would not be rebuilt when one of them is
    read again, and `gc` would delete them.
    """
    if manifest.source.dialect != "exports":
        return
    raise InputError(
        f"{manifest.pipeline} has no rows of its own: it is made of the stored exports of {manifest.source.table}.",
        why="A window is made of exports that were read from a source.",
        fix=f'Set source.exports = "{manifest.source.table}".',
    )


def _find_whole(store: Store, pipeline: Pipeline, day: date) -> tuple[list[StoredDay], dict[date, LeftOut]]:
    """Return the days that a window is made of, and why each of the others is left out.

    If hours of a day are stored instead, all its hours take its place.
    """
    name, zone = str(pipeline.source.exports), load_zone(pipeline.source.timezone)
    whole: list[StoredDay] = []
    left_out: dict[date, LeftOut] = {}
    for each in days_within(day, pipeline.source.window):
        for part, stored in _read_parts(store, name, each, zone).items():
            if stored is None and find_current_id(store, DayNames(name, part)) is not None:
                left_out[part] = LeftOut("was stored, and its manifest was deleted", is_lost=True)
            elif stored is None:
                left_out[part] = LeftOut("has no export")
            elif stored.manifest.unfinished:
                left_out[part] = LeftOut("was read before it was over")
            else:
                whole.append(stored)
    if pipeline.source.window == "day":
        _check_hours(name, day, [*left_out, *(stored.named.day for stored in whole)])
    doubted = _find_doubted(store, DayNames(name, day), whole, pipeline.checks.max_drop, zone)
    whole = [stored for stored in whole if stored.named.day not in doubted]
    return whole, dict(sorted((left_out | doubted).items()))


def _read_parts(store: Store, pipeline: str, day: date, zone: ZoneInfo) -> dict[date, StoredDay | None]:
    """Return the day's export; if it has none but hours of it have, all its hours and theirs."""
    if (stored := _read(store, DayNames(pipeline, day))) is not None:
        return {day: stored}
    if not (hours := _stored_by_hour(store, pipeline, day, zone)):
        return {day: None}
    with ThreadPoolExecutor(_READERS) as readers:
        return dict(zip(hours, readers.map(lambda hour: _read(store, DayNames(pipeline, hour)), hours), strict=True))


def _stored_by_hour(store: Store, pipeline: str, day: date, zone: ZoneInfo) -> list[date]:
    """Return all hours of a day if some are stored, else nothing."""
    some = next(iter(store.list(f"{heads_prefix(pipeline)}{day}T")), None)
    return windows_of(day, "hour", zone) if some is not None else []


def _check_hours(pipeline: str, day: date, parts: Sequence[date]) -> None:
    if day in parts:
        raise InputError(
            f"No hour of {pipeline} {day} is stored.",
            why="A window of a day is made of stored hours; of a stored day it is `penstock reprocess`.",
            fix=f'Bring them to done: `penstock run --day {day}` of {pipeline}, whose source.window is "hour".',
        )


def _find_doubted(
    store: Store, first: DayNames, days: Sequence[StoredDay], max_drop: float, zone: ZoneInfo
) -> dict[date, LeftOut]:
    """Return the days that the loader would doubt, and that it has not loaded, with both figures.

    A day's export is there before the loader sees it, and stays there when the loader refuses it.
    """
    with ThreadPoolExecutor(_READERS) as readers:
        accepted = list(readers.map(lambda d: find_accepted(store, DayNames(first.pipeline, d.named.day)), days))
    if all(accepted):
        return {}
    recent = [each.rows_exported for each in reversed(read_recent_days(store, first, "day", zone))]
    doubted: dict[date, LeftOut] = {}
    for stored, found in zip(days, accepted, strict=True):
        rows, day = stored.manifest.rows, stored.named.day
        if found is not None:
            recent.append(found.rows_exported)
            continue
        before = recent[-LAST_DAYS:]
        if isinstance(day, Hour):
            alike = read_recent_days(store, DayNames(first.pipeline, day), "hour", zone)
            before = [each.rows_exported for each in alike]
        if (said := _find_refusal(store, DayNames(first.pipeline, day))) is not None:
            doubted[day] = LeftOut(f"is not loaded: {said}", is_doubted=True)
        elif (middle := median_of_shrunken(rows, before, max_drop)) is not None:
            doubted[day] = LeftOut(
                f"is doubted and not loaded: it has {rows:,} rows, the median of the loaded days before it {middle:,}",
                is_doubted=True,
            )
    return doubted


def _find_refusal(store: Store, names: DayNames) -> str | None:
    """Return what ended the day's last run for good, if a person has to look at the day, else None.

    Its own pipeline's checks have doubted it, and those are not known here.
    """
    head = read_head(store, names)
    if head is None or head[0].run_id is None or not head[0].run_failed:
        return None
    failure = find_last_failure(store, names, head[0].run_id)
    if failure is None:
        return "its last run failed, and left no word why"
    return failure.what.rstrip(".") if failure.exit_code == ExitCode.INTEGRITY else None


def is_outdated(store: Store, manifest: Manifest, pipeline: Pipeline) -> bool:
    """Return whether a day of the window has a newer export.

    Newer than the stored one was made of. Reads only heads, except for days that were left out and have an export.
    """
    if pipeline.source.exports is None:
        return False
    name, used = str(pipeline.source.exports), {export.day: export.export_id for export in manifest.source.exports}
    now = {}
    zone = load_zone(pipeline.source.timezone)
    for day in days_within(manifest.day, pipeline.source.window):
        is_whole = find_current_id(store, DayNames(name, day)) is not None
        for each in [day] if is_whole else _stored_by_hour(store, name, day, zone):
            if (export_id := find_current_id(store, DayNames(name, each))) is not None:
                now[each] = export_id
    if any(now.get(each, export_id) != export_id for each, export_id in used.items()):
        return True
    if not now.keys() - used:
        return False
    return any(stored.named.day not in used for stored in _find_whole(store, pipeline, manifest.day)[0])


def read_newest_stored_day(store: Store, pipeline: str) -> Manifest | None:
    """Return the manifest of the newest stored day, or None.

    None where no day has a current export. InputError where it has no rows of its own.
    """
    for day in reversed(list_heads(store, pipeline)):
        if (stored := _read(store, DayNames(pipeline, day))) is not None:
            _check_has_rows_of_its_own(stored.manifest)
            return stored.manifest
    return None


def find_uses(store: Store, pipeline: str) -> dict[date, frozenset[str]]:
    """Return the exports that other pipelines' windows are made of.

    By day, of one pipeline; the windows are current ones.
    """
    used: dict[date, set[str]] = {}
    for manifest in _windows_of_others(store, but=pipeline):
        for export in manifest.source.exports if manifest.source.table == pipeline else ():
            used.setdefault(export.day, set()).add(export.export_id)
    return {day: frozenset(exports) for day, exports in used.items()}


def _windows_of_others(store: Store, *, but: str) -> Iterator[Manifest]:
    """Yield the current windows of each other pipeline; if its newest export is of no window, it has none."""
    parsed = [place for info in store.list("heads/") if (place := parse_name(info.name)) is not None]
    for name, places in groupby(sorted(parsed, key=lambda place: place.pipeline), key=lambda place: place.pipeline):
        for place in sorted(places, key=lambda place: place.day, reverse=True) if name != but else ():
            try:
                stored = _read(store, DayNames(name, place.day))
            except IntegrityError:  # nobody uses what can't be read
                continue
            if stored is not None and stored.manifest.source.dialect != "exports":
                break
            if stored is not None:
                yield stored.manifest


def _read(store: Store, names: DayNames) -> StoredDay | None:
    export_id = find_current_id(store, names)
    stored = find_export(store, names, export_id) if export_id else None
    if stored is None:
        return None
    manifest = stored.manifest
    named = SourceExport(
        day=names.day,
        export_id=manifest.export_id,
        generation=stored.generation,
        sha256=stored.sha256,
        rows=manifest.rows,
    )
    return StoredDay(manifest, named)


def _list_days(left_out: Mapping[date, LeftOut]) -> str:
    shown = [f"{day} {left.why}" for day, left in islice(left_out.items(), _SHOWN_DAYS)]
    more = f"; and {len(left_out) - _SHOWN_DAYS} more" if len(left_out) > _SHOWN_DAYS else ""
    return "; ".join(shown) + more + "."
