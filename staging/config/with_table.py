"""`[source.with.NAME]`: another table, read at the same instant.

Or Parquet files beside the tables, as they were when they were listed. Its rows lie in the shard of their key, as those
of the leading table do.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from staging.config.checks import check_parquet_pattern
from staging.config.database import PARTS, split_table
from staging.config.section import KeyColumns, Name, Section
from staging.key import key_columns
from staging.names import TABLE_NAME

ROWS = "rows"
"""What a transform's SQL and a conserved sum call the leading table."""


def leading_name(table: str) -> str:
    """Return what a conserved sum calls the leading table.

    Of `schema.table` that is the last part.
    """
    return table.rpartition(".")[2]


def check_with_name(name: str) -> str:
    """Return a table's name that can be part of object names."""
    if not TABLE_NAME.fullmatch(name):
        raise ValueError(
            f"with.{name[:80]} has no name for a table; use a lower-case letter first, then such letters, digits or _"
        )
    if name == ROWS:
        raise ValueError(f"with.{ROWS} has the name that the leading table is called by; choose another one")
    return name


class WithTable(Section):
    """A table beside the leading one.

    With `time` its rows of the day; without it its rows at the instant of the read, one of each key. With `parquet` in
    place of `table` its rows are those of files.
    """

    parquet: Annotated[Name, AfterValidator(check_parquet_pattern)] | None = None
    table_: Name | None = Field(default=None, alias="table")
    schema_: str | None = Field(default=None, alias="schema")
    key: KeyColumns
    time: Name | None = None
    columns: Annotated[tuple[Name, ...], Field(min_length=1, strict=False)]
    where: Annotated[str, Field(min_length=1)] | None = None
    allow_null: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    only_keys: bool = True

    @property
    def table(self) -> str:
        """The table's name; ValueError where rows are those of files."""
        if self.table_ is None:
            raise ValueError(f"{self.parquet} is no table")
        return self.table_

    @property
    def place(self) -> str:
        """What is read, as a sentence begins with it."""
        return f"Parquet {self.parquet}" if self.parquet is not None else f"Table {self.table}"

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The names of the key's columns, in the leading key's order."""
        return key_columns(self.key)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of all columns in file order.

        The key's, time where there is one, the carried ones.
        """
        return (*self.key_columns, *([self.time] if self.time else []), *self.columns)

    def table_parts(self) -> tuple[str | None, str]:
        """Return (schema or None, table), as the leading table's."""
        return split_table(self.table, self.schema_)

    @model_validator(mode="before")
    @classmethod
    def _lies_in_the_same_database(cls, values: Any) -> Any:  # noqa: ANN401 - whatever the file holds
        if isinstance(values, dict) and (other := [key for key in ("url", *PARTS, "login") if key in values]):
            raise ValueError(
                f"has {', '.join(other)}; tables of one instant lie in the one database that [source] names"
            )
        return values

    @model_validator(mode="after")
    def _is_a_table_or_files(self) -> Self:
        if self.parquet is None:
            if self.table_ is None:
                raise ValueError("has neither table nor parquet; name one of them")
            return self
        of_a_table = {"table": self.table_, "schema": self.schema_, "where": self.where}
        if given := [key for key, value in of_a_table.items() if value is not None]:
            raise ValueError(f"has parquet and {', '.join(given)}, which is for a table; leave it out")
        return self

    @model_validator(mode="after")
    def _columns_are_distinct(self) -> Self:
        carried = self.column_names
        if twice := sorted({column for column in carried if carried.count(column) > 1}):
            raise ValueError(
                f"{', '.join(twice)} is named more than once; key, time and each of columns are different columns"
            )
        if others := sorted(set(self.allow_null) - set(self.columns)):
            raise ValueError(f"allow_null names {', '.join(others)}, which is not among columns")
        if self.time is not None and not self.only_keys:
            raise ValueError("only_keys is for a table without time; of one with a time the day's rows are read")
        return self
