"""Chooses which exports of a day are compared.

Two that are named, or the current one and the one before it.
"""

from __future__ import annotations

from collections.abc import Sequence

from staging.documents.exports import find_current_manifest, find_export
from staging.documents.manifest import Manifest
from staging.errors import InputError
from staging.names import DayNames, parse_name
from staging.store import Store


def find_two_exports(store: Store, names: DayNames, named: Sequence[str]) -> tuple[Manifest, Manifest]:
    """Return the older and the newer export.

    They must be named in this order; else InputError. It lists the day's objects: for people, no job does.
    """
    if named:
        before, after = (_read(store, names, export_id) for export_id in named)
        return before, after
    current = find_current_manifest(store, names)
    if current is None:
        raise InputError(
            f"There is no export of {names.day} to compare.",
            why=f"{store.url} holds none for the pipeline {names.pipeline}.",
            fix="Bring the day to done first: penstock run.",
        )
    exports = [_read(store, names, export_id) for export_id in _export_ids(store, names)]
    older = [each for each in exports if (each.as_of, each.export_id) < (current.as_of, current.export_id)]
    if not older:
        raise InputError(
            f"No export of {names.day} is older than the current one, {current.export_id}.",
            why="There is nothing to compare it with.",
            fix="Read the day once more with penstock run --fresh-export, or name two with --exports.",
        )
    return max(older, key=lambda each: (each.as_of, each.export_id)), current


def _export_ids(store: Store, names: DayNames) -> list[str]:
    parsed = [parse_name(info.name) for info in store.list(f"{names.day_prefix()}export=")]
    return [str(each.export_id) for each in parsed if each is not None and each.kind == "manifest"]


def _read(store: Store, names: DayNames, export_id: str) -> Manifest:
    found = find_export(store, names, export_id)
    if found is None:
        raise InputError(
            f"There is no export {export_id} of {names.day}.",
            why=f"{names.manifest(export_id)} is not in {store.url}.",
            fix=f"The day has {', '.join(_export_ids(store, names)) or 'none'}.",
        )
    return found.manifest
