"""The small documents of a run and of a day.

What was asked, which export it uses, receipts, the head.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from staging.documents.document import Document, Instant, Money, Part, Sha256, WindowName
from staging.documents.manifest import Count, ShardFile
from staging.key import DocumentKey, key_columns


class Lease(Part):
    """Who works on the day now.

    It saves work and proves nothing: only the fence keeps a late writer out. `holder` is for people: user, host and
    process. `nonce` is the process's own. The lease began at `since`, by the holder's clock; it ends `seconds` after
    the head was last written, by the storage service's.
    """

    holder: str
    nonce: str
    since: Instant
    seconds: Annotated[int, Field(ge=1)]


class Head(Document):
    """The only object that is replaced, by generation: who may write next.

    `head_id` is drawn once when the head is made. `fence` rises by one with each run. `export_id` is the current
    export of the day, None before the first. `nonce` is new with every write, so that a lost reply can be told
    from somebody else's write. `lease` is None when nobody works on the day. `run_failed` says that the run `run_id`
    met an error that the same attempt would meet again: the next one begins anew.
    """

    head_id: str
    pipeline: str
    day: WindowName
    fence: Count
    run_id: str | None
    export_id: str | None
    nonce: str
    updated_at: Instant
    lease: Lease | None = None
    run_failed: bool = False


class RunRecord(Document):
    """What a run was asked to do, and its fence.

    `run.json`. Create-only, so all attempts of the run agree. `by` is who began it: user, host and process; empty where
    nobody said.
    """

    run_id: str
    pipeline: str
    day: WindowName
    head_id: str
    fence: Count
    kind: Literal["run", "reprocess"]
    fresh_export: bool
    created_at: Instant
    by: str = ""


class RunExport(Document):
    """The export a run uses.

    `export.json`. The first attempt to write it wins; later ones adopt it.
    """

    run_id: str
    export_id: str
    manifest_generation: int
    manifest_sha256: Sha256


class Conservation(Part):
    """One declared sum.

    `source` column in the shard, `output` column in the part; shard = part + quarantine.
    """

    output: str
    source: str
    shard: Money
    part: Money
    quarantine: Money


class Receipt(Document):
    """Makes a part count.

    `receipt-NNNNN.json`. Create-only and without anything in which two attempts would differ. `merge` says how a
    partial output's columns become one row a key; empty where the part's keys are its own. `code` is the SHA-256 of the
    transform's module, None where it has no file.
    """

    run_id: str
    export_id: str
    shard: Count
    rows_in: Count
    rows_out: Count
    rows_quarantined: Count
    quarantine_reasons: dict[str, int]
    part: ShardFile
    quarantine: ShardFile | None
    output_columns: dict[str, str]
    key: DocumentKey
    conserved: tuple[Conservation, ...]
    transform: str
    engine: str
    merge: dict[str, Literal["sum", "min", "max"]] = Field(default_factory=dict)
    code: Sha256 | None = None

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The names of the output's key columns, in the key's order."""
        return key_columns(self.key)


class Loaded(Document):
    """A note of what the loader committed.

    `loaded.json`, `reloaded-NNNNN.json`; only the ledger decides.
    """

    run_id: str
    export_id: str
    fence: Count
    day: WindowName
    rows: Count
    inserted: Count
    updated: Count
    deleted: Count
    totals: dict[str, Money]
    digest: Sha256
    loaded_at: Instant


class RunFailure(Document):
    """Why a chain gave the run up.

    `failure-{id}.json`, for people who look at it later; nothing is decided by it. `log` is where to read more: a file
    or an address, empty where there is none. `by` is who made the attempt, empty in old notes. `stopped`: it was asked
    to end and did, which is no failure.
    """

    run_id: str
    exit_code: Count
    what: str
    why: str
    fix: str
    log: str
    failed_at: Instant
    by: str = ""
    stopped: bool = False


class Backfill(Document):
    """A range of days that is, or was, processed anew.

    `begun-{id}.json` and `ended-{id}.json`. `logic_sha256` identifies what processes: a user who changes that means to
    begin anew.
    """

    backfill_id: str
    pipeline: str
    first: date
    last: date
    logic_sha256: Sha256
    begun_at: Instant
