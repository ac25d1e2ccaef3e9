"""A pipeline as the jobs see it: frozen, checked, with secrets that redact themselves.

`staging.config.file` builds it from the file, the environment and `--set`; nothing else reads either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)

from staging.config.checks import (
    check_function,
    check_name,
    check_parquet_pattern,
    check_staging_url,
    check_transform,
    check_zone,
    missing_key,
)
from staging.config.cloud import CloudConfig
from staging.config.day_checks import ChecksConfig
from staging.config.notify import NotifyConfig
from staging.config.pacing import PacingConfig
from staging.config.secret_url import check_reference, look_up_url
from staging.config.section import Name, Positive, Section
from staging.errors import InputError
from staging.key import check_distinct, key_columns, spell_key
from staging.redaction import remember_secrets_of
from staging.window import Span

AUTO: Literal["auto"] = "auto"
MAX_TASKS = 10_000


@dataclass(frozen=True, slots=True)
class SecretUrl:
    """A database URL that never shows itself.

    `reference` is what the pipeline file says: the URL, `env:NAME` or `file:/path`. It is looked up by `reveal`,
    as late as possible and only by the job that connects: a processor never looks.
    """

    reference: str
    look_up: Callable[[str], str]

    def __post_init__(self) -> None:
        """What stands in the file itself is known from the beginning."""
        remember_secrets_of(self.reference)

    def reveal(self) -> str:
        """Return the URL with its password; InputError when the variable or file is missing.

        From then on `staging.redaction.redact` hides the password wherever it stands.
        """
        return remember_secrets_of(self.look_up(self.reference))

    def __repr__(self) -> str:
        return "SecretUrl(…)"

    __str__ = __repr__


def _secret_url(value: Any, info: ValidationInfo) -> SecretUrl:  # noqa: ANN401 - pydantic hands over whatever the file holds
    if isinstance(value, SecretUrl):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ValueError("should be a database URL in quotes, or env:NAME, or file:/path")
    return SecretUrl(check_reference(value.strip()), (info.context or {}).get("look_up", look_up_url))


Url = Annotated[SecretUrl, PlainValidator(_secret_url), PlainSerializer(str)]
Zone = Annotated[Name, AfterValidator(check_zone)]
KeyColumns = Annotated[
    Name | Annotated[tuple[Name, ...], Field(min_length=1, strict=False)],
    AfterValidator(check_distinct),
    AfterValidator(lambda key: spell_key(key_columns(key))),
]


class SourceConfig(Section):
    """Where a day's rows are read: a table, or `parquet`, or `python`. See the reference for each key."""

    parquet: Annotated[Name, AfterValidator(check_parquet_pattern)] | None = None
    python: Annotated[Name, AfterValidator(check_function)] | None = None
    exports: Annotated[Name, AfterValidator(check_name)] | None = None
    """Another pipeline, whose stored exports of days are the rows."""
    url_: Url | None = Field(default=None, alias="url", validate_default=True)
    table_: Name | None = Field(default=None, alias="table", validate_default=True)
    schema_: str | None = Field(default=None, alias="schema")
    key: KeyColumns
    """One column as its name, several as a tuple; see `key_columns`."""
    time: Name
    columns: Annotated[tuple[Name, ...], Field(min_length=1, strict=False)]
    where: Name | None = None
    timezone: Zone
    column_timezone: Zone = "UTC"
    allow_float: bool = False
    allow_null: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    window: Span = "day"
    allow_missing: bool = False

    @property
    def url(self) -> SecretUrl:
        """The database's URL; InputError where rows come from somewhere else."""
        if self.url_ is None:
            raise _no_database(f"The source of this pipeline is no database but {self.place}.")
        return self.url_

    @property
    def table(self) -> str:
        """The table's name; InputError where rows come from somewhere else."""
        if self.table_ is None:
            raise _no_database(f"The source of this pipeline is no table but {self.place}.")
        return self.table_

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The names of the key's columns, in its order."""
        return key_columns(self.key)

    @property
    def is_database(self) -> bool:
        """Whether rows are read from a table by a statement."""
        return self.parquet is None and self.python is None and self.exports is None

    @property
    def place(self) -> str:
        """What is read, as a sentence begins with it."""
        if self.parquet is not None:
            return f"Parquet {self.parquet}"
        if self.exports is not None:
            return f"Stored exports of {self.exports}"
        return f"Python function {self.python}" if self.python is not None else f"Table {self.table}"

    @field_validator("url_", "table_", "where")
    @classmethod
    def _belongs_to_a_database(cls, value: object, info: ValidationInfo) -> object:
        other = next((key for key in _OTHERS if info.data.get(key) is not None), None)
        if value is not None and other is not None:
            raise ValueError(f"is for a table; with {other} rows come from elsewhere, so leave it out")
        if value is None and other is None and info.field_name != "where" and info.data.keys() >= set(_OTHERS):
            raise missing_key()
        return value

    @model_validator(mode="after")
    def _columns_are_distinct(self) -> Self:
        carried = [*self.key_columns, self.time, *self.columns]
        if twice := sorted({column for column in carried if carried.count(column) > 1}):
            raise ValueError(
                f"{', '.join(twice)} is named more than once; key, time and each of columns are different columns"
            )
        if others := sorted(set(self.allow_null) - set(self.columns)):
            raise ValueError(f"allow_null names {', '.join(others)}, which is not among columns")
        return self

    @model_validator(mode="after")
    def _longer_windows_come_from_stored_days(self) -> Self:
        if len([name for name in _OTHERS if getattr(self, name) is not None]) > 1:
            raise ValueError(f"has more than one of {', '.join(_OTHERS)}; rows come from one of them")
        if self.exports is None and (self.window != "day" or self.allow_missing):
            raise ValueError("window and allow_missing are for exports: a table, files and a function are read by day")
        if self.exports is not None and self.window == "day":
            raise ValueError('exports needs window = "week" or "month": of one day it is `penstock reprocess`')
        return self

    def table_parts(self) -> tuple[str | None, str]:
        """Return (schema or None, table): the first dot splits, unless `schema` is given (even empty)."""
        return split_table(self.table, self.schema_)


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
    row_group_bytes: Positive = 64 * 1024 * 1024
    """Memory budget of the rows that wait for a row group to fill, all shards together."""


class ProcessConfig(Section):
    """The user's transform and how many tasks run it."""

    transform: Annotated[Name, AfterValidator(check_transform)] = "processor.revenue:revenue_per_user"
    tasks: Annotated[int, Field(ge=1, le=MAX_TASKS)] | Literal["auto"] = AUTO
    parallelism: Annotated[int, Field(ge=1, le=MAX_TASKS)] | Literal["auto"] = AUTO
    max_retries: Annotated[int, Field(ge=0, le=10)] = 3
    timeout_seconds: Annotated[int, Field(ge=1, le=604_800)] = 600
    variables: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """Of the chain's environment, what a transform reads: needed where the source is a Python function."""


class LoadConfig(Section):
    """How patient the loader is with the target database.

    `lock_timeout_seconds`: how long it waits for a lock before it tries again. `idle_timeout_seconds`: after how long
    the server ends a loader that went silent inside its transaction (frozen, cut off), so that its lock is freed.
    """

    lock_timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 30
    idle_timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 60


class ChainConfig(Section):
    """How long a day stays held by a chain that is not heard of any more."""

    lease_seconds: Annotated[int, Field(ge=2, le=3600)] = 90


class TargetConfig(Section):
    """What receives one row per key and day: a table, or `parquet` files below a URL."""

    parquet: Annotated[Name, AfterValidator(check_staging_url)] | None = None
    url_: Url | None = Field(default=None, alias="url", validate_default=True)
    table_: Name | None = Field(default=None, alias="table", validate_default=True)
    schema_: str | None = Field(default=None, alias="schema")
    ledger: Name = "penstock_ledger"

    @property
    def url(self) -> SecretUrl:
        """The database's URL; InputError where the target is no database."""
        if self.url_ is None:
            raise _no_database(f"The target of this pipeline is no database but Parquet files in {self.parquet}.")
        return self.url_

    @property
    def table(self) -> str:
        """The table's name; InputError where the target is no table."""
        if self.table_ is None:
            raise _no_database(f"The target of this pipeline is no table but Parquet files in {self.parquet}.")
        return self.table_

    @field_validator("url_", "table_")
    @classmethod
    def _belongs_to_a_database(cls, value: object, info: ValidationInfo) -> object:
        is_files = info.data.get("parquet") is not None
        if value is not None and is_files:
            raise ValueError("is for a table; with parquet rows go to files, so leave it out")
        if value is None and not is_files and "parquet" in info.data:
            raise missing_key()
        return value

    def table_parts(self) -> tuple[str | None, str]:
        """Return (schema or None, table), as for the source."""
        return split_table(self.table, self.schema_)


_OTHERS = ("parquet", "python", "exports")


def _no_database(what: str) -> InputError:
    return InputError(what, fix="This works for tables only.")


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

    def url_references(self) -> dict[str, str]:
        """Return what the file says of each database URL there is, by its section."""
        urls = {"source": self.source.url_, "target": self.target.url_}
        return {section: url.reference for section, url in urls.items() if url is not None}


def split_table(table: str, schema: str | None) -> tuple[str | None, str]:
    """`a.b.c` is table `b.c` in schema `a`; with `schema` given the whole text is the table's name."""
    if schema is not None:
        return schema or None, table
    before, dot, after = table.partition(".")
    return (before, after) if dot else (None, table)
