"""Whether every shard was processed: a job that says it went well has to have left its receipts."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from staging.errors import IntegrityError
from staging.names import DayNames
from staging.run_documents import Receipt
from staging.store import Store

_READERS = 16  # a receipt is one small request; thousands one after the other would take minutes
_SHOWN = 5


def read_receipts(store: Store, names: DayNames, run_id: str, shards: int) -> list[Receipt]:
    """Return the receipts of all shards in their order; IntegrityError when one is missing."""

    def read(shard: int) -> Receipt | None:
        name = names.receipt(run_id, shard)
        return Receipt.parse(store.read(name)[0], name=name) if store.find(name) is not None else None

    with ThreadPoolExecutor(_READERS) as readers:
        found = list(readers.map(read, range(shards)))
    _check_whole([shard for shard, receipt in enumerate(found) if receipt is None], names, run_id)
    return [receipt for receipt in found if receipt is not None]


def _check_whole(missing: Sequence[int], names: DayNames, run_id: str) -> None:
    if not missing:
        return
    listed = ", ".join(map(str, missing[:_SHOWN])) + (", …" if len(missing) > _SHOWN else "")
    raise IntegrityError(
        f"The processor ended well, but {len(missing)} of its receipts are missing.",
        why=f"Shards without one: {listed} (for example {names.receipt(run_id, missing[0])}).",
        fix="Nothing was loaded. Look for who deletes objects in the bucket, then run the same command again.",
    )
