"""The manifest: written last, it makes an export exist.

Readers believe only what is in it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from staging.documents.document import Document, Instant, Money, Part, Sha256, WindowName
from staging.key import DocumentKey, Key, key_columns

Count = Annotated[int, Field(ge=0)]
WindowKind = Literal["resting", "reading", "seal", "snapshot"]


class Column(Part):
    """One column of the shards.

    `dtype` is polars' text (`Decimal(12, 2)`), `source_type` the database's own.
    """

    name: str
    dtype: str
    source_type: str
    nullable: bool


class ShardFile(Part):
    """One Parquet file.

    Name relative to the staging prefix, read by this generation only.
    """

    name: str
    generation: int
    size_bytes: Count
    crc32c: Count
    sha256: Sha256
    rows: Count


class Shard(Part):
    """All rows of one hash class of keys.

    `min_key`/`max_key` as text, None when there is no row. For a key of several columns they are the least and greatest
    value of each column by itself. `sums` are exact control sums of the conserved columns, as the exporter counted them
    while reading.
    """

    shard: Count
    files: tuple[ShardFile, ...]
    rows: Count
    min_key: Key | None
    max_key: Key | None
    sums: dict[str, Money]


class SourceObject(Part):
    """One object that rows were read from, as it was listed.

    Exactly this generation was read.
    """

    url: str
    generation: int
    size_bytes: Count
    crc32c: Count


class TableExport(Part):
    """Another table that was read at the same instant.

    Split by the leading table's shard function, by its own key, into as many shards. `name` is the pipeline's for it.
    With `time` it holds the day's rows; without it one row of a key, of all keys or of those that occur in the day's
    rows (`only_keys`), and `keys_without_row` counts the keys of the day's rows that have none.
    """

    name: str
    table: str
    key: DocumentKey
    time: str | None
    where: str | None
    allow_null: tuple[str, ...]
    only_keys: bool
    statement: str
    table_columns: tuple[str, ...]
    columns: tuple[Column, ...]
    schema_fingerprint: Sha256
    shards: tuple[Shard, ...]
    rows: Count
    sums: dict[str, Money]
    keys_without_row: Count | None
    evidence: dict[str, str] = Field(default_factory=dict)
    """What the server said of the read of this table; empty in exports from before this was recorded."""
    objects: tuple[SourceObject, ...] = ()
    """The Parquet files that were read, if it is no table of the database."""

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The names of the key's columns, in the leading key's order."""
        return key_columns(self.key)

    @property
    def carried(self) -> tuple[Column, ...]:
        """The configured columns: all but key and time."""
        return self.columns[len(self.key_columns) + (self.time is not None) :]


class SourceExport(Part):
    """A stored export of a day within a longer window.

    Exactly this manifest was read.
    """

    day: WindowName
    export_id: str
    generation: int
    sha256: Sha256
    rows: Count


class Source(Part):
    """Where the rows came from.

    Holds no password. `evidence` is what the server said of the snapshot it read. `dialect` is `parquet` or `python`
    where that was no database; `objects` are the Parquet files that were read. `exports` if the shards are those of
    another pipeline's days, which `table` names: nothing was copied.
    """

    dialect: str
    server_version: str
    server_identity: str
    table: str
    key: DocumentKey
    time: str
    where: str | None
    statement: str
    evidence: dict[str, str]
    table_columns: tuple[str, ...] = ()
    """All columns of the table, carried or not, sorted; empty where that was not known or written down."""
    objects: tuple[SourceObject, ...] = ()
    exports: tuple[SourceExport, ...] = ()

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The names of the key's columns, in its order."""
        return key_columns(self.key)


class ProbeWindow(Part):
    """A stretch of time of one kind.

    `resting`: none of our statements ran. `reading`: slices, with `nice` seconds of rest for each second of theirs.
    `seal` and `snapshot`: what can't rest. `at_seconds` since the first window began; of joined neighbours `seconds`
    reach to the end of the last, and `nice` is the longest.
    """

    at_seconds: float
    seconds: float
    kind: WindowKind
    nice: float
    probes: Count
    p50_milliseconds: float
    p99_milliseconds: float


class Probed(Part):
    """What a statement of the shop took beside a read.

    And without it, and whether a promise was held. `resting` and `beside` are of all probes of these windows.
    `increase` is the p99 beside us, divided by that without us. `promised` and `held` are None where nothing was
    promised; `why_not` says why it was not held, or not known.
    """

    windows: tuple[ProbeWindow, ...]
    resting_probes: Count
    resting_p50_milliseconds: float | None
    resting_p99_milliseconds: float | None
    beside_probes: Count
    beside_p50_milliseconds: float | None
    beside_p99_milliseconds: float | None
    increase: float | None
    promised: float | None = None
    held: bool | None = None
    longest_nice: float = 0.0
    why_not: str = ""


class Reading(Part):
    """How the read went.

    `mode` and why it was chosen, seconds it took, seconds it waited by reason. `waits` are these by time: for each
    reason the seconds in each `waits_bin_seconds` since reading began. `not_over` is the database's reason, before the
    read began, why the day may still get rows; "" where it had none, or can't tell. `probed` is what the shop's own
    statement took meanwhile; None where there is none (`pacing.latency_probe`).
    """

    mode: str
    why: str
    reader: str
    seconds: float
    waited_seconds: dict[str, float]
    waits: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    waits_bin_seconds: float = 1.0
    not_over: str = ""
    probed: Probed | None = None


class Manifest(Document):
    """One committed export of one business day.

    `as_of` is the instant the data is true of, by the database's clock. `columns` are in file order: the key's, time,
    then the configured ones. `sums` are the totals of the shards' control sums.
    """

    export_id: str
    pipeline: str
    day: WindowName
    timezone: str
    window_start: Instant
    window_end: Instant
    as_of: Instant
    source: Source
    columns: tuple[Column, ...]
    schema_fingerprint: Sha256
    shard_function: str
    shards: tuple[Shard, ...]
    rows: Count
    sums: dict[str, Money]
    reading: Reading
    created_at: Instant
    penstock_version: str
    tables: tuple[TableExport, ...] = ()
    """Other tables of the same instant; none in exports of one table."""

    @property
    def carried(self) -> tuple[Column, ...]:
        """The configured columns: all but key and time."""
        return self.columns[len(self.source.key_columns) + 1 :]

    @property
    def unfinished(self) -> bool:
        """Whether the day was read before it was over.

        By the clock, or by what the database said of open and prepared transactions.
        """
        return self.read_early or (not self.source.exports and bool(self.reading.not_over))

    @property
    def read_early(self) -> bool:
        """Whether the day was read before its end, by the clock.

        Then it may have few rows; a day that is unfinished for another reason may not. A window of stored days is as of
        the last of them, which may be long before its end where days are left out: it is early if it was made before
        its end.
        """
        return (self.created_at if self.source.exports else self.as_of) < self.window_end

    def is_stale(self, now: datetime) -> bool:
        """Return whether an unfinished day is over by now.

        Then it can be read as a whole.
        """
        return self.unfinished and now >= self.window_end

    def window(self) -> tuple[datetime, datetime]:
        """Start (inclusive) and end (exclusive), in UTC."""
        return self.window_start, self.window_end
