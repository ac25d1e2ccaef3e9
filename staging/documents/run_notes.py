"""Reads what the jobs noted of a run.

Receipts of tasks, and what the loader loaded.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from staging.documents.document import find_document
from staging.documents.run import Loaded, Receipt, RunFailure
from staging.names import DayNames, parse_name
from staging.store import Store

_READERS = 16  # a receipt is one small request; thousands one after the other would take minutes


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


def find_last_failure(store: Store, names: DayNames, run_id: str) -> RunFailure | None:
    """Return the newest note of why the run failed, or None."""
    listed = [info.name for info in store.list(names.failures_prefix(run_id))]
    failures = [name for name in listed if (found := parse_name(name)) and found.kind == "failure"]
    return find_document(store, max(failures), RunFailure) if failures else None


def find_receipt(store: Store, names: DayNames, run_id: str, shard: int) -> Receipt | None:
    """Return the shard's receipt of this run, or None.

    Its content is not checked: the reader must see whether it fits the run.
    """
    return find_document(store, names.receipt(run_id, shard), Receipt)


def find_receipts(store: Store, names: DayNames, run_id: str, shards: int) -> list[Receipt | None]:
    """Return the receipts of all shards in their order.

    None for one that is not there.
    """
    with ThreadPoolExecutor(_READERS) as readers:
        return list(readers.map(lambda shard: find_receipt(store, names, run_id, shard), range(shards)))
