"""Finds files of a Parquet target that nothing names.

No day's manifest names them any more: earlier loads, and what failed ones left. It keeps the files that the manifest
names, those of the head's run, which may be loading, and what is younger than the bound: a reader that began with an
older manifest may still be reading them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby

from chain.gc.bundles import Bundle
from chain.gc.collect import collect_garbage
from chain.gc.plan import DayGarbage, find_head_at_rest
from staging.documents.target_manifest import TargetManifest, parse_target_part, target_manifest_name
from staging.names import DayNames
from staging.process.cancel import Cancel
from staging.store import ObjectInfo, Store

_WINDOWS = ("day=", "hour=")


def clean_up_target(
    store: Store, target: Store, pipeline: str, cancel: Cancel, *, older_than: timedelta, now: datetime, delete: bool
) -> Iterator[DayGarbage]:
    """Yield what may be deleted in the target, day by day.

    With `delete`, after it was deleted. `store` is the staging store.
    """
    files = (info for window in _WINDOWS for info in target.list(window))
    found = ((parsed, info) for info in files if (parsed := parse_target_part(info.name)) is not None)
    for day, entries in groupby(found, key=lambda entry: entry[0][0]):
        cancel.check()
        runs = [(run_id, info) for (_, run_id), info in entries]
        garbage = _plan(store, target, DayNames(pipeline, day), runs, older_than=older_than, now=now)
        if garbage.bundles and delete and not collect_garbage(store, garbage, cancel, target=target):
            garbage = DayGarbage(garbage.names, kept_whole="somebody began to work on it meanwhile")
        yield garbage


def _plan(
    store: Store,
    target: Store,
    names: DayNames,
    files: Sequence[tuple[str, ObjectInfo]],
    *,
    older_than: timedelta,
    now: datetime,
) -> DayGarbage:
    rest = find_head_at_rest(store, names, now)
    if isinstance(rest, str):
        return DayGarbage(names, kept_whole=f"in the target: {rest}")
    manifest = _read_manifest(target, names.day)
    if manifest is None:
        return DayGarbage(names, kept_whole="in the target: it has no manifest, so nobody can tell what is current")
    if manifest.pipeline != names.pipeline:
        return DayGarbage(names, kept_whole=f"in the target: {manifest.pipeline} has loaded it")
    head, head_info = rest
    current = {part.name for part in manifest.parts}
    bundles = []
    for run_id, group in groupby(files, key=lambda entry: entry[0]):
        unnamed = tuple(info for _, info in group if info.name not in current)
        if unnamed and run_id != head.run_id:
            bundles.append(Bundle("files", run_id, (), unnamed, frozenset({"part"})))
    old = [bundle for bundle in bundles if bundle.updated_at + older_than <= now]
    return DayGarbage(names, tuple(old), head_info.generation)


def _read_manifest(target: Store, day: date) -> TargetManifest | None:
    name = target_manifest_name(day)
    if target.find(name) is None:
        return None
    return TargetManifest.parse(target.read(name)[0], name=name)
