"""What a day's Parquet files in a target say.

Which of them are current, and who loaded them.

Names, relative to `target.parquet`::

    day={day}/manifest.json                            replaced by generation: the day is what it names
    day={day}/run={run_id}/part-{shard:05d}.parquet    create-only
    day={day}/run={run_id}/again={n:03d}/part-…        where a file of that name was there, and another one
"""

from __future__ import annotations

import re
from datetime import date

from staging.documents.document import Document, Instant, Money, Sha256
from staging.documents.manifest import Count, ShardFile
from staging.errors import InputError
from staging.key import DocumentKey
from staging.names import check_id


def target_manifest_name(day: date) -> str:
    """Name of the document that readers begin with."""
    return f"day={day.isoformat()}/manifest.json"


def target_part_name(day: date, run_id: str, shard: int, *, again: int = 0) -> str:
    """Return the name of one file of rows.

    Shards are numbered from 0. `again` counts how often its name was taken before.
    """
    place = f"again={again:03d}/" if again else ""
    return f"day={day.isoformat()}/run={check_id(run_id, of='run id')}/{place}part-{shard:05d}.parquet"


_PART = re.compile(r"day=(\d{4}-\d\d-\d\d)/run=([^/]+)/(?:again=\d{3}/)?part-\d{5}\.parquet")


def parse_target_part(name: str) -> tuple[date, str] | None:
    """Return day and run id of a file of rows.

    None for anything else.
    """
    match = _PART.fullmatch(name)
    try:
        return (date.fromisoformat(match[1]), check_id(match[2], of="run id")) if match else None
    except (ValueError, InputError):
        return None


class TargetManifest(Document):
    """One loaded day.

    It is the ledger of a target that has no database: see `loader.target.ledger.LedgerRow`. `columns` are the files'
    names and types, the key among them; `totals` are of all parts together. `nonce` is new with every write, so that a
    lost reply can be told from somebody else's write.
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
