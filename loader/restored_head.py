"""Finds a head that was restored from an older copy.

It is behind the ledger: every run would count as late, for ever. A run's fence is in the head before it is in the
ledger. So a head of the same id that is read after the ledger's row can't have a lower one, unless somebody put an
older object in its place.
"""

from __future__ import annotations

from loader.target.ledger import LedgerRow
from staging.documents.head import find_head
from staging.errors import InputError
from staging.names import DayNames
from staging.store import Store


def check_not_restored(found: LedgerRow | None, store: Store, names: DayNames) -> None:
    """Raise InputError where the head is behind the ledger's row."""
    if found is None or (held := find_head(store, names)) is None:
        return
    head = held[0]
    if head.head_id == found.head_id and head.fence < found.fence:
        raise InputError(
            f"The head of {names.pipeline} {names.day} is behind the ledger: an older copy of it was restored.",
            why=f"Its fence is {head.fence}; the target was loaded under {found.fence}, by run {found.run_id}.",
            fix=f"Begin a run above it: penstock run --day {names.day} --fresh-export --raise-fence {found.fence}. "
            "Without --fresh-export it uses the export that the restored head names.",
        )
