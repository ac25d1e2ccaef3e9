"""What a database's catalogue says of a table.

In words that are the same for every database.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import polars as pl


class Kind(StrEnum):
    """A family of values that a column holds exactly, or never."""

    INTEGER = "whole numbers"
    DECIMAL = "decimal numbers"
    FLOAT = "floating-point numbers"
    TEXT = "text"
    BYTES = "bytes"
    BOOLEAN = "booleans"
    DATE = "dates"
    TIME = "times of day"
    DATETIME = "dates with time"
    INSTANT = "instants"


def kind_of(dtype: pl.DataType) -> Kind:
    """Return the family of a part's column.

    Decimals without fraction are whole numbers.
    """
    if isinstance(dtype, pl.Decimal):
        return Kind.DECIMAL if dtype.scale else Kind.INTEGER
    if isinstance(dtype, pl.Datetime):
        return Kind.INSTANT if dtype.time_zone else Kind.DATETIME
    if dtype.is_integer():
        return Kind.INTEGER
    if dtype.is_float():
        return Kind.FLOAT
    return _PLAIN[str(dtype)]


_PLAIN = {
    "String": Kind.TEXT,
    "Binary": Kind.BYTES,
    "Boolean": Kind.BOOLEAN,
    "Date": Kind.DATE,
    "Time": Kind.TIME,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column and how much room it has.

    None means that nothing but its type limits it. `declared` is the database's own spelling. `low` and `high` are
    inclusive. `whole_digits` are before the decimal point, `scale` behind it. `second_digits` are those behind the
    seconds. `pads`: a fixed length filled up, so that spaces or zeros at a value's end are lost. `is_text`: compared by
    `collation` (where it is known), so differences need a binary look. `is_choice`: the database turns any other text
    into one of a list (`loader.target.fit`). `affinity` is SQLite's.
    """

    name: str
    declared: str
    accepts: frozenset[Kind]
    nullable: bool
    has_default: bool
    generated: bool
    low: int | None = None
    high: int | None = None
    whole_digits: int | None = None
    scale: int | None = None
    max_characters: int | None = None
    max_bytes: int | None = None
    second_digits: int | None = None
    pads: bool = False
    single_precision: bool = False
    finite_only: bool = False
    no_nan: bool = False
    no_nul: bool = False
    is_text: bool = False
    collation: str | None = None
    is_choice: bool = False
    affinity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table as the database itself names it.

    `fault` says why it can't be loaded at all, else it is empty. `folds_case`: the database takes column names that
    differ only in case for the same. `unique_keys` are the column sets on which no two rows can agree: whole columns,
    no condition. `is_unique_otherwise`: a condition, an expression, the beginning of a text or an exclusion also
    forbids rows beside each other.
    """

    schema: str
    name: str
    columns: tuple[Column, ...]
    unique_keys: tuple[frozenset[str], ...]
    fault: str = ""
    folds_case: bool = False
    is_unique_otherwise: bool = False

    def beside(self, ours: Collection[Column]) -> list[Column]:
        """Return the columns that hold something of others, or may."""
        return [column for column in self.columns if column not in ours and not column.generated]

    def column(self, name: str) -> Column | None:
        """Return the column that this name means."""
        found = next((column for column in self.columns if column.name == name), None)
        if found is None and self.folds_case:
            return next((column for column in self.columns if column.name.casefold() == name.casefold()), None)
        return found


def integer_range(bits: int, *, signed: bool = True) -> tuple[int, int]:
    """Return the lowest and the highest integer of that many bits."""
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
