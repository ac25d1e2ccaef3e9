"""A pipeline as the jobs see it.

Frozen, checked, with secrets that redact themselves. `staging.config.file` builds it from the file, the environment and
`--set`; nothing else reads either.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from staging.config.checks import check_name, check_staging_url, check_transform
from staging.config.cloud import CloudConfig
from staging.config.database import DatabaseSection, split_table
from staging.config.day_checks import ChecksConfig
from staging.config.notify import NotifyConfig
from staging.config.pacing import PacingConfig
from staging.config.section import Name, Positive, Section
from staging.config.source import SourceConfig
from staging.config.target import TargetConfig

AUTO: Literal["auto"] = "auto"
MAX_TASKS = 10_000


class StagingConfig(Section):
    """Where shards, parts and documents lie: `gs://bucket/prefix` or `file:///folder`."""

    url: Annotated[Name, AfterValidator(check_staging_url)]


class ExportConfig(Section):
    """How the day is split and read."""

    shards: Annotated[int, Field(ge=1, le=MAX_TASKS)] | Literal["auto"] = AUTO
    shard: Literal["key", "file"] = "key"
    """`file`: Parquet files of the source are shards where they lie, for partial outputs."""
    read: Literal["auto", "snapshot", "slices"] = "auto"
    max_snapshot_seconds: Positive = 20
    grace_seconds: Annotated[int, Field(ge=0, le=86_400)] = 900
    slice_milliseconds: Annotated[int, Field(ge=1, le=1000)] = 2
    allow_full_scan: bool = False
    schema_changes: Literal["refuse", "accept_new_columns", "accept_all"] = "accept_new_columns"
    row_group_bytes: Positive = 48 * 1024 * 1024
    """Memory budget of the rows that wait for a row group to fill, all shards together."""


class ProcessConfig(Section):
    """The user's transform and how many tasks run it."""

    transform: Annotated[Name, AfterValidator(check_transform)] = "processor.revenue:revenue_per_user"
    sql: Name | None = None
    """Instead of `transform`: a query. Of a file it is the text, as `load_pipeline` has read it."""
    conserves: dict[str, str] = Field(default_factory=dict)
    tasks: Annotated[int, Field(ge=1, le=MAX_TASKS)] | Literal["auto"] = AUTO
    parallelism: Annotated[int, Field(ge=1, le=MAX_TASKS)] | Literal["auto"] = AUTO
    max_retries: Annotated[int, Field(ge=0, le=10)] = 3
    timeout_seconds: Annotated[int, Field(ge=1, le=604_800)] = 600
    variables: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """The chain's variables that a transform reads: needed where the source is a Python function."""

    @property
    def name(self) -> str:
        """What documents call the transform: its name, or which SQL it is."""
        return self.transform if self.sql is None else f"sql:{hashlib.sha256(self.sql.encode()).hexdigest()[:16]}"

    @model_validator(mode="after")
    def _is_one_transform(self) -> Self:
        if self.sql is not None and self.transform != type(self).model_fields["transform"].default:
            raise ValueError("has both transform and sql; rows are transformed by one of them")
        if self.conserves and self.sql is None:
            raise ValueError("conserves is for sql: a transform's own contract says what it conserves")
        return self


class LoadConfig(Section):
    """How patient the loader is with the target database.

    `lock_timeout_seconds`: how long it waits for a lock before it tries again. `idle_timeout_seconds`: after how long
    the server ends a loader that went silent inside its transaction (frozen, cut off), so that its lock is freed.
    """

    lock_timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    idle_timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 60


class ChainConfig(Section):
    """How long a chain holds a day.

    A chain that has fallen silent still holds it for so long.
    """

    lease_seconds: Annotated[int, Field(ge=2, le=3600)] = 90


class Pipeline(Section):
    """One pipeline file."""

    name: Annotated[Name, AfterValidator(check_name)]
    source: SourceConfig
    staging: StagingConfig
    export: ExportConfig = ExportConfig()
    pacing: PacingConfig = PacingConfig()
    process: ProcessConfig = ProcessConfig()
    checks: ChecksConfig = ChecksConfig()
    load: LoadConfig = LoadConfig()
    chain: ChainConfig = ChainConfig()
    target: TargetConfig
    notify: NotifyConfig = NotifyConfig()
    cloud: CloudConfig = CloudConfig()

    @model_validator(mode="after")
    def _only_files_are_shards_where_they_lie(self) -> Self:
        if self.export.shard == "file" and self.source.parquet is None:
            raise ValueError('export.shard = "file" is for source.parquet; a table and a function have no files')
        return self

    @model_validator(mode="after")
    def _target_is_apart_from_staging(self) -> Self:
        target, staging = (self.target.parquet or "").rstrip("/") + "/", self.staging.url.rstrip("/") + "/"
        if self.target.parquet is not None and (target.startswith(staging) or staging.startswith(target)):
            raise ValueError("target.parquet and staging.url lie in each other; what is cleaned up in one is not ours")
        return self

    @model_validator(mode="after")
    def _tables_are_apart(self) -> Self:
        if not self.target.is_database:
            return self
        schema, table = self.target.table_parts()
        ledger_schema, ledger = self.ledger_parts()
        if ledger == table and ledger_schema in (None, schema):
            raise ValueError("target.ledger is target.table; the ledger is a table of its own")
        if self.source.is_database and self.source.is_in_the_database_of(self.target):
            read = [self.source, *map(self.source.of_table, self.source.tables_beside)]
            if (schema, table) in [each.table_parts() for each in read]:
                raise ValueError("target.table is read by source, too; the load would delete rows that are its source")
        return self

    @model_validator(mode="after")
    def _only_days_of_a_table_are_kept(self) -> Self:
        if self.cloud.schedule.keep_days is not None and not self.source.is_database:
            raise ValueError("cloud.schedule.keep_days is for source.table: other days have nothing to compare with")
        return self

    @model_validator(mode="after")
    def _latency_of_a_database_is_measured(self) -> Self:
        if self.pacing.latency_probe is not None and not self.source.is_database:
            raise ValueError("pacing.latency_probe is for source.table: files and functions have nothing to probe")
        if self.pacing.max_p99_increase is not None and self.export.read == "snapshot":
            raise ValueError(
                "pacing.max_p99_increase can't be held with export.read = \"snapshot\": one statement can't rest; "
                "take slices, or pacing.latency_probe alone, which measures"
            )
        return self

    def ledger_parts(self) -> tuple[str | None, str]:
        """Return schema and name of the ledger.

        The schema is None where it is the target's. Ledgers of hours have another key than those of days, and `_hours`
        behind their name.
        """
        schema, name = split_table(self.target.ledger, None)
        return schema, f"{name}_hours" if self.source.window == "hour" else name

    def databases(self) -> dict[str, DatabaseSection]:
        """Return the sections whose rows lie in a database, by name."""
        sections: tuple[DatabaseSection, ...] = (self.source, self.target)
        return {each.section: each for each in sections if each.is_database}

    def url_references(self) -> dict[str, str]:
        """Return what the file says of each database's URL.

        Or of its password where the URL is in parts.
        """
        return {name: section.url.reference for name, section in self.databases().items()}
