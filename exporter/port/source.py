"""What an export reads.

Columns, a table, one statement, and a table that is open at an instant. A `Snapshot` is what a source (`database.py`)
sees at one instant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any, Protocol, Self

import polars as pl

from exporter.port.same_rows import Telling
from staging.documents.manifest import Source as StoredSource


class Wire(Enum):
    """How a value travels before it is decoded.

    From the statement to us.
    """

    NATIVE = "native"
    """As the driver's own type; cast to the shard's."""
    DECIMAL_TEXT = "decimal text"
    """Exact decimal as text; refused when it has more digits than declared."""
    TYPED_DECIMAL_TEXT = "typed decimal text"
    """As DECIMAL_TEXT where the server itself writes every value with all declared digits behind the point."""
    DATE_TEXT = "date text"
    DATETIME_TEXT = "datetime text"
    TIME_TEXT = "time text"
    BOOLEAN_INTEGER = "boolean integer"


class TimeKind(Enum):
    """What a time column means.

    And so how a window becomes two bounds in its own type.
    """

    INSTANT = "instant"
    """It knows its zone: `timestamptz`, MySQL's TIMESTAMP."""
    NAIVE = "naive"
    """A wall clock of `source.column_timezone`."""
    DATE = "date"
    """The business day itself."""
    ISO_TEXT = "ISO text"
    """A wall clock of `source.column_timezone` as text, `T` or blank between date and time."""
    UNIX_SECONDS = "unix seconds"


@dataclass(frozen=True, slots=True)
class Carried:
    """How a column is carried.

    Its type in the shards, how it travels, and the SQL that selects it. `spelled_as` names a type whose values the
    database itself writes as text, such as a UUID: a user's text may write the same value differently.
    """

    dtype: pl.DataType
    wire: Wire
    select: str
    spelled_as: str = ""


JSON = "JSON"
"""What makes different texts of such a column equal: `1` and `1.0` are one value."""


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """One column as the catalogue describes it.

    `carried` is None where it can't be carried exactly; `refusal` says why. `folding` names a collation under which
    different texts are equal, or is `JSON`, where that is true as well. `indexed` is whether it leads an index.
    """

    name: str
    source_type: str
    nullable: bool
    quoted: str
    carried: Carried | None = None
    refusal: str = ""
    time: TimeKind | None = None
    folding: str | None = None
    indexed: bool = False
    null_meaning: str = "is NULL"
    """What it means when the statement gives NULL for it, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class TableName:
    """A table or view; no schema means the connection's own."""

    schema: str | None
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}" if self.schema else self.table


Bound = datetime | date | str | int
"""A window's edge in the time column's own type."""


@dataclass(frozen=True, slots=True)
class Statement:
    """The one SELECT of an export.

    Columns are called c0, c1 … in the order of the shard's. `low` is inclusive, `high` exclusive; `literal` writes a
    bound as the dialect wants it. The key's columns come before the one of `time_index` (from 0), the time. A table
    without a time has no window and no such column: then `time`, `low` and `high` mean nothing. Of the clock
    of a time without a zone: `is_utc`, and `is_whole_days`, whether the window is from midnight to midnight on it.
    """

    select: tuple[Carried, ...]
    table: str
    time: str
    low: Bound
    high: Bound
    where: str | None
    literal: Callable[[Bound], str]
    time_index: int = 1
    has_time: bool = True
    is_utc: bool = True
    is_whole_days: bool = True

    def text(self, low: Bound | None = None, high: Bound | None = None) -> str:
        """Return the SQL, for all or part of the window."""
        return self.text_from(self.table, low, high)

    def text_from(self, table: str, low: Bound | None = None, high: Bound | None = None) -> str:
        """Return the SQL with another FROM.

        Such as the table with a hint.
        """
        columns = ", ".join(f"{carried.select} AS c{i}" for i, carried in enumerate(self.select))
        return f"SELECT {columns} FROM {table} WHERE {self.condition(low, high)}"  # noqa: S608 - quoted by the dialect

    def condition(self, low: Bound | None = None, high: Bound | None = None) -> str:
        """Return the condition of the WHERE."""
        window = self.window(low, high)
        return f"{window} AND ({self.where})" if self.where else window

    def window(self, low: Bound | None = None, high: Bound | None = None) -> str:
        """Return the condition on the time column alone."""
        if not self.has_time:
            return "1 = 1"
        low, high = self.low if low is None else low, self.high if high is None else high
        return f"{self.time} >= {self.literal(low)} AND {self.time} < {self.literal(high)}"


@dataclass(frozen=True, slots=True)
class Probe:
    """A statement that must return no row.

    `tell` says in one sentence what its first row means, if there is one.
    """

    sql: str
    tell: Callable[[tuple[object, ...]], str]


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many rows a statement will return, and how that is known."""

    rows: int
    how: str


@dataclass(frozen=True, slots=True)
class KeyIndex:
    """An index that begins with all columns of a key.

    None of them is JSON or folds texts. `columns` are these, quoted, in the index's order; `places` says where each is
    in the key (from 0), `spell` writes a value of each as a literal. `hint` follows the table's name in FROM.
    `array_types` are those of PostgreSQL's arrays of such values; where they are given, an index is also used for `(a,
    b) > (1, 2)`, elsewhere for what that means. Rows of values have the key's order.
    """

    columns: tuple[str, ...]
    places: tuple[int, ...]
    spell: tuple[Callable[[Any], str], ...]
    hint: str = ""
    array_types: tuple[str, ...] = ()

    def order(self) -> str:
        """Return what ORDER BY says for the index's own order."""
        return ", ".join(self.columns)

    def among(self, keys: Sequence[tuple[Any, ...]]) -> str:
        """Return the condition of rows that have one of these keys."""
        spelled = [self._literals(key) for key in keys]
        if len(self.columns) == 1:
            return f"{self.columns[0]} IN ({', '.join(literal for (literal,) in spelled)})"
        columns = ", ".join(self.columns)
        if self.array_types:  # a list of rows becomes one alternative a row, each of which is planned by itself
            values = zip(self.array_types, zip(*spelled, strict=True), strict=True)
            arrays = ", ".join(f"ARRAY[{', '.join(literals)}]::{type_}" for type_, literals in values)
            return f"({columns}) IN (SELECT * FROM unnest({arrays}))"  # noqa: S608 - quoted, spelled by the dialect
        rows = ", ".join(f"({', '.join(row)})" for row in spelled)
        return f"({columns}) IN ({rows})"

    def after(self, key: tuple[Any, ...]) -> str:
        """Return the condition of rows behind a key."""
        return self._beside(key, ">", ">")

    def up_to(self, key: tuple[Any, ...]) -> str:
        """Return the condition of rows that are not behind a key."""
        return self._beside(key, "<", "<=")

    def _beside(self, key: tuple[Any, ...], sign: str, last_sign: str) -> str:
        pairs = list(zip(self.columns, self._literals(key), strict=True))
        if len(pairs) > 1 and self.array_types:
            columns, literals = (", ".join(each) for each in zip(*pairs, strict=True))
            return f"({columns}) {last_sign} ({literals})"
        (column, value), *first = reversed(pairs)
        condition = f"{column} {last_sign} {value}"
        for column, value in first:
            condition = f"({column} {sign} {value} OR ({column} = {value} AND {condition}))"
        return condition

    def _literals(self, key: tuple[Any, ...]) -> list[str]:
        return [spell(key[place]) for spell, place in zip(self.spell, self.places, strict=True)]


class OpenTable(Protocol):
    """A table or view that can be looked at.

    What a snapshot of it and a read in slices share. Used by one thread at a time, but `Source.interrupt`.
    """

    @property
    def evidence(self) -> dict[str, str]:
        """What the server says of the read: log position and the like."""
        ...

    @property
    def table_sql(self) -> str:
        """The quoted table, ready for FROM."""
        ...

    def beside(self, table: TableName) -> Self:
        """Return another table, to be read at the same instant.

        It was named when the read began. Closing it ends nothing.
        """
        ...

    def describe(self) -> Mapping[str, SourceColumn]:
        """Return the table's columns by name, in catalogue order."""
        ...

    def literal(self, bound: Bound) -> str:
        """Write a bound as SQL."""
        ...

    def fetch(self, sql: str) -> Sequence[tuple[object, ...]]:
        """Return the rows of a small statement."""
        ...

    def probes(self, statement: Statement, columns: Sequence[SourceColumn]) -> Sequence[Probe]:
        """Return this database's own checks of a table's rows.

        For rows that a window can't see or a statement would change. `columns` are in the statement's order: the key's,
        time, then the others.
        """
        ...

    def plan_telling(
        self, statement: Statement, columns: Sequence[SourceColumn], stored: StoredSource
    ) -> Telling | str:
        """Return how to tell whether the window has a stored export's rows.

        Beside count and sums, and without fetching rows; or why nothing else can tell. `columns` are in the statement's
        order, with the types that the export had.
        """
        ...

    def estimate(self, statement: Statement) -> Estimate:
        """Return how many rows the statement will give, about.

        Cheaply, where the database can say.
        """
        ...

    def close(self) -> None:
        """End what is open for it; safe to call twice."""
        ...


class Snapshot(OpenTable, Protocol):
    """What the database held at one instant.

    One transaction, all of whose statements see the same.
    """

    @property
    def as_of(self) -> datetime:
        """The instant, by the database's clock, UTC."""
        ...

    def read(self, statement: Statement, estimate: Estimate) -> Iterator[pl.DataFrame]:
        """Run the statement and yield its rows in batches.

        Never all at once. Blocks while the server works.
        """
        ...
