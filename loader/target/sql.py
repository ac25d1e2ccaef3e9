"""The SQL that the loader speaks, common to all dialects.

Each adapter overrides what its dialect says differently. Statements are run with bound values, always: a `%` in a name
is doubled where the driver would take it for a mark.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from loader.target.table import Column, Table
from staging.hours.name import Hour
from staging.window import Span, span_of

DAY, HOUR = "day", "hour"


def window_column(span: Span) -> str:
    """Return the name of the column that says a row's window."""
    return HOUR if span == "hour" else DAY


def window_kind(span: Span) -> str:
    """Return its kind among `SqlText.ledger_types`: an hour is when it begins."""
    return "instant" if span == "hour" else "day"


@dataclass(frozen=True, slots=True)
class Staged:
    """The temporary table of a load: `name` is ready for SQL.

    `key`, then `values`, all of the target's types. No column of the key is NULL, and together they are unique.
    """

    name: str
    target: Table
    key: tuple[Column, ...]
    values: tuple[Column, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Key and values."""
        return (*self.key, *self.values)

    @property
    def may_swap(self) -> bool:
        """Whether rows can pass a unique value to each other.

        A single UPDATE would meet it twice on its way. Of a uniqueness that is not of whole columns nobody knows its
        values; where a row has columns beside ours, which DELETE would lose, it is taken to be of those.
        """
        key, values = {column.name for column in self.key}, {column.name for column in self.values}
        values |= {column.name for column in self.target.columns if column.generated}
        whole = any(unique & values and not unique >= key for unique in self.target.unique_keys)
        has_others = len(self.target.beside(self.columns)) > 1  # one is the day or the hour
        return whole or (self.target.is_unique_otherwise and not has_others)


class SqlText(ABC):
    """Writes statements; holds no connection."""

    mark = "%s"
    proof_lock = ""
    row_lock = " FOR UPDATE"

    @abstractmethod
    def quote(self, name: str) -> str:
        """Return an identifier ready for SQL."""

    @abstractmethod
    def type_of(self, dtype: pl.DataType, *, is_key: bool) -> str:
        """Return the column type that holds every value of `dtype` exactly.

        InputError where there is none.
        """

    @abstractmethod
    def ledger_types(self) -> dict[str, str]:
        """Return the column types of a ledger.

        Of `name`, `text`, `day`, `count` and `instant`.
        """

    @abstractmethod
    def differ(self, left: str, right: str, column: Column) -> str:
        """Return a condition that is true where the values differ.

        Any bit counts, and NULL is a value.
        """

    def sum_text(self, column: str) -> str:
        """Return the exact sum of a column as text.

        '0' of no rows.
        """
        return f"CAST(COALESCE(SUM({column}), 0) AS CHAR)"

    def table_options(self) -> str:
        """Return what follows the closing bracket of a CREATE TABLE."""
        return ""

    def qualified(self, schema: str, name: str) -> str:
        """Return a table's full name."""
        return f"{self.quote(schema)}.{self.quote(name)}"

    def of(self, table: Table) -> str:
        """Return a table's full name."""
        return self.qualified(table.schema, table.name)

    def day(self, day: date) -> str:
        """Return a day as a literal; of an hour, when it begins."""
        return self.instant_literal(day.start) if isinstance(day, Hour) else f"DATE '{day.isoformat()}'"

    def instant_literal(self, value: datetime) -> str:
        """Return an instant as a literal."""
        return f"TIMESTAMP WITH TIME ZONE '{value.astimezone(UTC).isoformat(sep=' ')}'"

    def day_value(self, day: date) -> Any:  # noqa: ANN401 - what the driver binds
        """Return the value to bind for a day, or an hour's begin."""
        return self.instant(day.start) if isinstance(day, Hour) else day

    def day_column(self, day: date) -> str:
        """Return the quoted column that says a row's window."""
        return self.quote(window_column(span_of(day)))

    def instant(self, value: datetime) -> Any:  # noqa: ANN401 - what the driver binds
        """Return the value to bind for an instant."""
        return value

    def parse_instant(self, value: Any) -> datetime:  # noqa: ANN401 - what the driver gives
        """Return the instant that was read, in UTC."""
        instant: datetime = value
        return instant.astimezone(UTC)

    # --- the difference between the day in the target (t) and the staged rows (s) ---

    def count_and_sums(self, table: str, columns: Sequence[str], where: str = "") -> str:
        """Return a statement that counts rows and adds columns up."""
        sums = "".join(f", {self.sum_text(self.quote(column))}" for column in columns)
        return f"SELECT COUNT(*){sums} FROM {table}{where}"

    def of_day(self, day: date, table: str = "") -> str:
        """Return ` WHERE day = …`, or ` WHERE hour = …`."""
        return f" WHERE {table}{self.day_column(day)} = {self.day(day)}"

    def key_list(self, staged: Staged) -> str:
        """Return the key's columns, separated by commas."""
        return ", ".join(self.quote(column.name) for column in staged.key)

    def same_key(self, staged: Staged) -> str:
        """Return the condition that `t` and `s` have the same key."""
        names = [self.quote(column.name) for column in staged.key]
        return " AND ".join(f"t.{name} = s.{name}" for name in names)

    def delete_vanished(self, staged: Staged, day: date) -> str:
        """Return the DELETE of the day's rows whose key vanished.

        The key is not staged.
        """
        return (
            f"DELETE FROM {self.of(staged.target)} AS t{self.of_day(day, 't.')}"
            f" AND NOT EXISTS (SELECT 1 FROM {staged.name} AS s WHERE {self.same_key(staged)})"
        )

    def delete_changed(self, staged: Staged, day: date) -> str:
        """Return the DELETE of the day's rows that differ.

        In any bit; they are inserted afterwards.
        """
        return (
            f"DELETE FROM {self.of(staged.target)} AS t{self.of_day(day, 't.')}"
            f" AND EXISTS (SELECT 1 FROM {staged.name} AS s"
            f" WHERE {self.same_key(staged)} AND ({self.any_differ(staged)}))"
        )

    def update_changed(self, staged: Staged, day: date) -> str:
        """Return the UPDATE of the day's rows that differ.

        In any bit.
        """
        return (
            f"UPDATE {self.of(staged.target)} AS t SET {self.assignments(staged)} FROM {staged.name} AS s"
            f"{self.of_day(day, 't.')} AND {self.same_key(staged)} AND ({self.any_differ(staged)})"
        )

    def insert_all(self, staged: Staged, day: date) -> str:
        """Return the statement that inserts every staged row.

        Right only where the day has none.
        """
        names = ", ".join(self.quote(column.name) for column in staged.columns)
        return (
            f"INSERT INTO {self.of(staged.target)} ({self.day_column(day)}, {names})"
            f" SELECT {self.day(day)}, {names} FROM {staged.name}{self.in_key_order(staged)}"
        )

    def insert_new(self, staged: Staged, day: date) -> str:
        """Return the INSERT of staged rows whose key the day lacks."""
        names = ", ".join(self.quote(column.name) for column in staged.columns)
        values = ", ".join(f"s.{self.quote(column.name)}" for column in staged.columns)
        return (
            f"INSERT INTO {self.of(staged.target)} ({self.day_column(day)}, {names})"
            f" SELECT {self.day(day)}, {values} FROM {staged.name} AS s {self.without_target(staged, day)}"
            f"{self.in_key_order(staged)}"
        )

    def in_key_order(self, staged: Staged) -> str:  # noqa: ARG002 - where it is needed it names the key
        """Return the ORDER BY of rows that are inserted.

        None where the staged rows lie in the order of their key.
        """
        return ""

    def count_matched(self, staged: Staged, day: date) -> str:
        """Return the count of staged rows that the day has.

        By key; and how many of them differ.
        """
        return (
            f"SELECT COUNT(*), COALESCE(SUM(CASE WHEN {self.any_differ(staged)} THEN 1 ELSE 0 END), 0)"
            f" FROM {staged.name} AS s JOIN {self.of(staged.target)} AS t"
            f" ON t.{self.day_column(day)} = {self.day(day)} AND {self.same_key(staged)}"
        )

    def without_target(self, staged: Staged, day: date) -> str:
        """Return the condition on `s` that the day lacks its key."""
        return (
            f"WHERE NOT EXISTS (SELECT 1 FROM {self.of(staged.target)} AS t"
            f"{self.of_day(day, 't.')} AND {self.same_key(staged)})"
        )

    def changing(self, staged: Staged) -> list[Column]:
        """Return the columns that an update may have to set.

        A text key can be equal by collation, and another.
        """
        return [column for column in staged.columns if column not in staged.key or column.is_text]

    def any_differ(self, staged: Staged) -> str:
        """Return the condition that `t` and `s` of the same key differ."""
        names = [(self.quote(column.name), column) for column in self.changing(staged)]
        return " OR ".join(self.differ(f"t.{name}", f"s.{name}", column) for name, column in names) or "1 = 0"

    def assignments(self, staged: Staged) -> str:
        """Return `a = s.a, …`."""
        names = [self.quote(column.name) for column in self.changing(staged) or staged.columns]
        return ", ".join(f"{name} = s.{name}" for name in names)

    # --- the ledger's row ---

    def add_row_unless_there(self, table: str, names: Sequence[str], key: Sequence[str]) -> str:
        """Return an insert that waits for another of the same key.

        It does nothing where the key is there.
        """
        columns = ", ".join(self.quote(name) for name in names)
        marks = ", ".join(self.mark for _ in names)
        keys = ", ".join(self.quote(name) for name in key)
        return f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT ({keys}) DO NOTHING"
