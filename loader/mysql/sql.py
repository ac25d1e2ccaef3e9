"""MySQL's and MariaDB's own SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

import polars as pl

from loader.target.sql import SqlText, Staged
from loader.target.table import Column

_TYPES = {
    "Int8": "TINYINT",
    "Int16": "SMALLINT",
    "Int32": "INT",
    "Int64": "BIGINT",
    "UInt8": "TINYINT UNSIGNED",
    "UInt16": "SMALLINT UNSIGNED",
    "UInt32": "INT UNSIGNED",
    "UInt64": "BIGINT UNSIGNED",
    "Float32": "FLOAT",
    "Float64": "DOUBLE",
    "Boolean": "BOOLEAN",
    "String": "LONGTEXT",
    "Binary": "LONGBLOB",
    "Date": "DATE",
    "Time": "TIME(6)",
}
_KEY_TYPES = {"String": "VARCHAR(255)", "Binary": "VARBINARY(255)"}  # an index takes no longer ones


class MysqlSql(SqlText):
    """What MySQL and MariaDB say in their own way."""

    # Under REPEATABLE READ a plain read may see the table as it was; a locking read sees what there is.
    proof_lock = " LOCK IN SHARE MODE"

    def __init__(self, collation: str) -> None:
        self._collation = collation

    def quote(self, name: str) -> str:
        """Return the name in backticks.

        Those in it are doubled, and `%`, which PyMySQL reads as a mark.
        """
        return "`" + name.replace("`", "``").replace("%", "%%") + "`"

    def type_of(self, dtype: pl.DataType, *, is_key: bool) -> str:
        """Return the type that holds every value of `dtype` exactly.

        Keys of text or bytes up to 255.
        """
        if isinstance(dtype, pl.Decimal):
            return f"DECIMAL({dtype.precision},{dtype.scale})"
        if isinstance(dtype, pl.Datetime):
            return "DATETIME(6)"
        return (_KEY_TYPES if is_key else {}).get(str(dtype)) or _TYPES[str(dtype)]

    def ledger_types(self) -> dict[str, str]:
        """Return the column types of a ledger."""
        return {
            "name": "VARCHAR(128)",
            "text": "LONGTEXT",
            "day": "DATE",
            "count": "BIGINT",
            "instant": "DATETIME(6)",
        }

    def table_options(self) -> str:
        """Return the options that the loader's tables have.

        An engine with transactions, and a collation in which no two texts are equal.
        """
        return f" ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE {self._collation}"

    def instant(self, value: datetime) -> datetime:
        """Return the instant as UTC without saying so: DATETIME knows no zone."""
        return value.astimezone(UTC).replace(tzinfo=None)

    def instant_literal(self, value: datetime) -> str:
        """Return the instant as a DATETIME of UTC."""
        return f"TIMESTAMP'{self.instant(value).isoformat(sep=' ')}'"

    def parse_instant(self, value: datetime) -> datetime:
        """Return the instant that was read."""
        return value.replace(tzinfo=UTC)

    def differ(self, left: str, right: str, column: Column) -> str:
        """Return the opposite of `<=>`, for text by its bytes.

        Collations call different texts equal.
        """
        if column.is_text:
            left, right = f"CAST({left} AS BINARY)", f"CAST({right} AS BINARY)"
        return f"NOT ({left} <=> {right})"

    def delete_vanished(self, staged: Staged, day: date) -> str:
        """Return a DELETE by outer join.

        Each table is named in it once, as temporary ones must be.
        """
        return (
            f"DELETE t FROM {self.of(staged.target)} AS t LEFT JOIN {staged.name} AS s ON {self.same_key(staged)}"
            f"{self.of_day(day, 't.')} AND s.{self.quote(staged.key[0].name)} IS NULL"
        )

    def delete_changed(self, staged: Staged, day: date) -> str:
        """Return a DELETE by join."""
        return (
            f"DELETE t FROM {self.of(staged.target)} AS t JOIN {staged.name} AS s ON {self.same_key(staged)}"
            f"{self.of_day(day, 't.')} AND ({self.any_differ(staged)})"
        )

    def update_changed(self, staged: Staged, day: date) -> str:
        """Return an UPDATE by join."""
        return (
            f"UPDATE {self.of(staged.target)} AS t JOIN {staged.name} AS s ON {self.same_key(staged)}"
            f" SET {self.assignments(staged)}{self.of_day(day, 't.')} AND ({self.any_differ(staged)})"
        )

    def assignments(self, staged: Staged) -> str:
        """Return `t.a = s.a, …`."""
        names = [self.quote(column.name) for column in self.changing(staged) or staged.columns]
        return ", ".join(f"t.{name} = s.{name}" for name in names)

    def without_target(self, staged: Staged, day: date) -> str:
        """Return an outer join of staged rows whose key the day lacks."""
        return (
            f"LEFT JOIN {self.of(staged.target)} AS t ON t.{self.day_column(day)} = {self.day(day)}"
            f" AND {self.same_key(staged)} WHERE t.{self.quote(staged.key[0].name)} IS NULL"
        )

    def add_row_unless_there(self, table: str, names: Sequence[str], key: Sequence[str]) -> str:
        """Return an insert that takes the row's lock at once.

        INSERT IGNORE shares it, and two sharers deadlock.
        """
        columns = ", ".join(self.quote(name) for name in names)
        marks = ", ".join(self.mark for _ in names)
        first = self.quote(key[0])
        return f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON DUPLICATE KEY UPDATE {first} = {first}"
