"""What a day's Parquet files in a target say of themselves: which of them are current, and who loaded them.

Names, relative to `target.parquet`::

    day={day}/manifest.json                            replaced by generation: the day is what it names
    day={day}/run={run_id}/part-{shard:05d}.parquet    create-only
"""

from __future__ import annotations

from datetime import date

from staging.documents.document import Document, Instant, Money, Sha256
from staging.documents.manifest import Count, ShardFile
from staging.key import DocumentKey
from staging.names import check_id


def target_manifest_name(day: date) -> str:
    """Name of the document that readers begin with."""
    return f"day={day.isoformat()}/manifest.json"


def target_part_name(day: date, run_id: str, shard: int) -> str:
    """Name of one file of rows; shards are numbered from 0."""
    return f"day={day.isoformat()}/run={check_id(run_id, of='run id')}/part-{shard:05d}.parquet"


class TargetManifest(Document):
    """One loaded day. It is the ledger of a target that has no database: see `loader.target.ledger.LedgerRow`.

    `columns` are the files' names and types, the key among them; `totals` are of all parts together. `nonce` is new
    with every write, so that a lost reply can be told from somebody else's write.
    """

    pipeline: str
    day: date
    timezone: str
    head_id: str
    fence: Count
    run_id: str
    export_id: str
    as_of: Instant
    window_start: Instant
    window_end: Instant
    key: DocumentKey
    columns: dict[str, str]
    rows: Count
    totals: dict[str, Money]
    digest: Sha256
    loaded_at: Instant
    parts: tuple[ShardFile, ...]
    nonce: str
