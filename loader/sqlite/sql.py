"""SQLite's own SQL, and the exact sum that SQLite lacks."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation

import polars as pl

from loader.target.sql import SqlText
from loader.target.table import Column
from staging.hours.name import Hour

SUM = "penstock_sum"
_EXACT = Context(prec=200, traps=[Inexact, InvalidOperation])
_INTEGERS = ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Boolean")


class ExactSum:
    """An aggregate over integers and decimals as text.

    For anything else it gives an error instead of a number.
    """

    def __init__(self) -> None:
        self._whole = 0
        self._total = Decimal(0)
        self._stranger = ""

    def step(self, value: object) -> None:
        """Add a value; NULL counts as nothing."""
        if isinstance(value, int):
            self._whole += value
        elif isinstance(value, str):
            try:
                self._total = _EXACT.add(self._total, Decimal(value))
            except (InvalidOperation, Inexact):
                self._stranger = "text"
        elif value is not None:
            self._stranger = type(value).__name__

    def finalize(self) -> str:
        """Return the sum without exponent."""
        if self._stranger:
            return f"not of numbers: {self._stranger}"
        return f"{_EXACT.add(self._total, self._whole):f}"


class SqliteSql(SqlText):
    """What SQLite says in its own way."""

    mark = "?"
    row_lock = ""  # BEGIN IMMEDIATE has locked the whole file

    def quote(self, name: str) -> str:
        """Return `"name"`, quotes in it doubled."""
        return '"' + name.replace('"', '""') + '"'

    def type_of(self, dtype: pl.DataType, *, is_key: bool) -> str:  # noqa: ARG002 - the same type for both here
        """Return a type by whose affinity SQLite keeps values as they are.

        Decimals are text, never REAL.
        """
        if isinstance(dtype, pl.Decimal) or str(dtype).startswith(("String", "Date", "Time")):
            return "TEXT"
        if dtype.is_float():
            return "REAL"
        return "INTEGER" if str(dtype) in _INTEGERS else "BLOB"

    def ledger_types(self) -> dict[str, str]:
        """Return the column types of a ledger."""
        return {"name": "TEXT", "text": "TEXT", "day": "TEXT", "count": "INTEGER", "instant": "TEXT"}

    def day(self, day: date) -> str:
        """Return a day as text; of an hour, when it begins."""
        return f"'{self.day_value(day)}'"

    def day_value(self, day: date) -> str:
        """Return a day as text; of an hour, when it begins."""
        return self.instant(day.start) if isinstance(day, Hour) else day.isoformat()

    def instant(self, value: datetime) -> str:
        """Return the instant as text in UTC."""
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def parse_instant(self, value: str) -> datetime:
        """Return the instant that was read."""
        return datetime.fromisoformat(value).astimezone(UTC)

    def sum_text(self, column: str) -> str:
        """Return the exact sum; SUM would add as REAL.

        An aggregate of Python's gives NULL for no row.
        """
        return f"COALESCE({SUM}({column}), '0')"

    def differ(self, left: str, right: str, column: Column) -> str:
        """Return `IS NOT`, for text by its bytes."""
        return f"{left} COLLATE BINARY IS NOT {right}" if column.is_text else f"{left} IS NOT {right}"
