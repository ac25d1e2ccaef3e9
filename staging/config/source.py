"""The `[source]` section: a day's rows, and where they are.

Which rows are a day's, and where they are read.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from staging.config.checks import check_function, check_name, check_parquet_pattern, check_zone
from staging.config.database import DatabaseSection
from staging.config.section import KeyColumns, Name, Section
from staging.config.with_table import WithTable, check_with_name, leading_name
from staging.key import key_columns, show_key
from staging.window import Span

Zone = Annotated[Name, AfterValidator(check_zone)]


class _OtherPlaces(Section):
    """The keys that take the place of a table."""

    parquet: Annotated[Name, AfterValidator(check_parquet_pattern)] | None = None
    python: Annotated[Name, AfterValidator(check_function)] | None = None
    exports: Annotated[Name, AfterValidator(check_name)] | None = None
    """Another pipeline, whose stored exports of days are the rows."""


class SourceConfig(DatabaseSection, _OtherPlaces):
    """Where a day's rows are read: a table, or `parquet`, or `python`.

    See the reference for each key.
    """

    section: ClassVar[str] = "source"
    elsewhere: ClassVar[tuple[str, ...]] = ("parquet", "python", "exports")
    rows_go: ClassVar[str] = "come from elsewhere"

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
    with_: dict[str, WithTable] = Field(default_factory=dict, alias="with")
    """Other tables of the same instant, by the name that a transform knows them by."""

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The names of the key's columns, in its order."""
        return key_columns(self.key)

    @property
    def place(self) -> str:
        """What is read, as a sentence begins with it."""
        if self.parquet is not None:
            return f"Parquet {self.parquet}"
        if self.exports is not None:
            return f"Stored exports of {self.exports}"
        return f"Python function {self.python}" if self.python is not None else f"Table {self.table}"

    @property
    def leading_name(self) -> str:
        """What a conserved sum calls the leading table, or ""."""
        return leading_name(self.table_parts()[1]) if self.is_database else ""

    @property
    def tables_beside(self) -> dict[str, WithTable]:
        """The other tables of the database, by name."""
        return {name: table for name, table in self.with_.items() if table.parquet is None}

    @property
    def files_beside(self) -> dict[str, WithTable]:
        """The Parquet files beside the tables, by name."""
        return {name: table for name, table in self.with_.items() if table.parquet is not None}

    def of_table(self, name: str) -> Self:
        """Return the same source of another table, with its settings.

        A table without a time gets the leading table's.
        """
        table = self.with_[name]
        update: dict[str, object] = {
            "parquet": table.parquet,
            "table_": table.table_,
            "schema_": table.schema_,
            "key": table.key,
            "time": table.time or self.time,
            "columns": table.columns,
            "where": table.where,
            "allow_null": table.allow_null,
            "with_": {},
        }
        return self.model_copy(update=update)

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
    def _tables_belong_together(self) -> Self:
        if not self.with_:
            return self
        if not self.is_database:
            other = next(key for key in self.elsewhere if getattr(self, key) is not None)
            raise ValueError(f"has with, for tables of one database, and {other}; leave one of them out")
        _, leading = self.table_parts()
        for name, table in self.with_.items():
            check_with_name(name)
            if name == leading:
                raise ValueError(f"with.{name} has the name of the leading table; call it otherwise")
            if len(table.key_columns) != len(self.key_columns):
                raise ValueError(
                    f"with.{name} has the key {show_key(table.key_columns)}, and the leading table "
                    f"{show_key(self.key_columns)}; both have as many columns, in one order"
                )
        return self

    @model_validator(mode="after")
    def _keys_of_the_day_are_known(self) -> Self:
        """The database gives rows of the day's keys, and does not know those in files."""
        by_keys = [name for name, table in self.tables_beside.items() if table.time is None and table.only_keys]
        of_day = [name for name, table in self.files_beside.items() if table.time is not None]
        if by_keys and of_day:
            raise ValueError(
                f"with.{of_day[0]} has rows of the day in files, whose keys the database does not know when it gives "
                f"with.{by_keys[0]}; set only_keys = false there"
            )
        if of_day and self.window == "hour":
            raise ValueError(f'window = "hour" is for tables: leave out the time of with.{of_day[0]}, which is files')
        return self

    @model_validator(mode="after")
    def _windows_come_from_where_they_can(self) -> Self:
        if len([name for name in self.elsewhere if getattr(self, name) is not None]) > 1:
            raise ValueError(f"has more than one of {', '.join(self.elsewhere)}; rows come from one of them")
        if self.window == "hour":
            if not self.is_database:
                raise ValueError(
                    'window = "hour" is for a table: files, a function and exports are read by day or longer'
                )
        elif self.exports is None and (self.window != "day" or self.allow_missing):
            raise ValueError(
                "window and allow_missing are for exports: a table is read by day or hour, files and a function by day"
            )
        if self.exports is not None and "window" not in self.model_fields_set:
            raise ValueError('exports needs window = "week" or "month": of one day it is `penstock reprocess`')
        return self
