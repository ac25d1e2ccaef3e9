"""Reads what the loader noted of a run."""

from __future__ import annotations

from staging.documents.document import find_document
from staging.documents.run import Loaded
from staging.names import DayNames
from staging.store import Store


def find_loaded(store: Store, names: DayNames, run_id: str) -> Loaded | None:
    """Return the loader's first note of a run, or None."""
    return find_document(store, names.loaded(run_id), Loaded)


def read_loads(store: Store, names: DayNames, run_id: str) -> list[Loaded]:
    """Return the loader's notes of a run, oldest first.

    More than one where the target had lost what was loaded.
    """
    first = find_loaded(store, names, run_id)
    found = [first] if first else []
    while found and (again := find_document(store, names.reloaded(run_id, len(found) - 1), Loaded)) is not None:
        found.append(again)
    return found
