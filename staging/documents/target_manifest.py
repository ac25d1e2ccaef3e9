"""The manifest of a day's Parquet files in a target.

It says which of them are current, and who loaded them.

Names, relative to `target.parquet`::

    day={day}/manifest.json                            replaced by generation: the day is what it names
    day={day}/run={run_id}/part-{shard:05d}.parquet    create-only
    day={day}/run={run_id}/again={n:03d}/part-…        where a file of that name was there, and another one

Of an hourly pipeline they begin with `hour={hour}/`.
"""

from __future__ import annotations

import re
from datetime import date

from staging.documents.document import Document, Instant, Money, Sha256, WindowName
from staging.documents.manifest import Count, ShardFile
from staging.errors import InputError
from staging.hours.name import PATTERN, parse_hour
from staging.key import DocumentKey
from staging.names import check_id
from staging.window import span_of


def target_manifest_name(day: date) -> str:
    """Name of the document that readers begin with."""
    return f"{_folder(day)}/manifest.json"


def target_part_name(day: date, run_id: str, shard: int, *, again: int = 0) -> str:
    """Return the name of one file of rows.

    Shards are numbered from 0. `again` counts how often its name was taken before.
    """
    place = f"again={again:03d}/" if again else ""
    return f"{_folder(day)}/run={check_id(run_id, of='run id')}/{place}part-{shard:05d}.parquet"


def _folder(day: date) -> str:
    return f"{span_of(day)}={day.isoformat()}"


_PART = re.compile(
    rf"(?:day=(?P<day>\d{{4}}-\d\d-\d\d)|hour=(?P<hour>{PATTERN}))"
    r"/run=(?P<run_id>[^/]+)/(?:again=\d{3}/)?part-\d{5}\.parquet"
)


def parse_target_part(name: str) -> tuple[date, str] | None:
    """Return day and run id of a file of rows.

    None for anything else.
    """
    match = _PART.fullmatch(name)
    try:
        if match is None:
            return None
        window = parse_hour(match["hour"]) if match["hour"] else date.fromisoformat(match["day"])
        return window, check_id(match["run_id"], of="run id")
    except (ValueError, InputError):
        return None


class TargetManifest(Document):
    """One loaded day.

    It is the ledger of a target that has no database: see `loader.target.ledger.LedgerRow`. `columns` are the files'
    names and types, the key among them; `totals` are of all parts together. `nonce` is new with every write, so that a
    lost reply can be told from somebody else's write.
    """

    pipeline: str
    day: WindowName
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
