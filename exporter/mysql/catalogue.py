"""Reads a table's columns and indexes from information_schema.

On MySQL and MariaDB. It does not use SQLAlchemy's reflection, which parses SHOW CREATE TABLE: that fails for the whole
table over one unknown type (VECTOR) and over names without quotes (`sql_quote_show_create = 0`), and can't tell that an
index is hidden.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import types as sql
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import NullType, TypeEngine

from databases.errors import Kind
from exporter.mysql.errors import kind_of
from exporter.port.catalogue import Catalogue, ReflectedColumn
from exporter.port.source import TableName
from staging.errors import InputError

_INTEGERS = {
    "tinyint": mysql.TINYINT,
    "smallint": mysql.SMALLINT,
    "mediumint": mysql.MEDIUMINT,
    "int": mysql.INTEGER,
    "bigint": mysql.BIGINT,
}
_TYPES: dict[str, TypeEngine[Any]] = {
    "bit": mysql.BIT(),
    "year": mysql.YEAR(),
    "float": mysql.FLOAT(),
    "double": mysql.DOUBLE(),
    "datetime": mysql.DATETIME(),
    "timestamp": mysql.TIMESTAMP(),
    "date": sql.DATE(),
    "time": mysql.TIME(),
    "json": mysql.JSON(),
    **dict.fromkeys(("uuid", "inet4", "inet6"), sql.Uuid()),  # MariaDB's; like a UUID they are texts to everybody else
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"), sql.String()),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), sql.LargeBinary()),
}


_PAIR = re.compile(r"`((?:[^`]|``)+)`\.`((?:[^`]|``)+)`")
"""A table as the server writes it into a view's text, which it rewrites from the user's."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index and its columns in order, None for an expression.

    `serves_ranges`: the optimizer may use it for them. It may not where the index is invisible (MySQL) or ignored
    (MariaDB): a query that names such an index is refused as if there were none. A full-text or spatial index serves no
    range. `ordered`: how many columns, from the first one on, it holds with whole values, all in one direction.
    """

    name: str
    columns: tuple[str | None, ...]
    serves_ranges: bool
    ordered: int = 0


class MysqlCatalogue(Catalogue):
    """A connection that looks things up in information_schema."""

    def columns(self, table: TableName) -> list[ReflectedColumn]:
        """Return the table's or view's columns in order.

        InputError if there is no such table.
        """
        found = self._named(
            "SELECT column_name, data_type, column_type, collation_name, is_nullable, numeric_precision, numeric_scale "  # noqa: S608 - quoted
            f"FROM information_schema.columns WHERE {is_table(table)} ORDER BY ordinal_position"
        )
        if not found:
            raise self.no_table(table)
        return [
            ReflectedColumn(
                name=row["column_name"],
                quoted=self.quote(row["column_name"]),
                type=_type(row),
                source_type=row["column_type"],
                nullable=row["is_nullable"] == "YES",
                collation=row["collation_name"],
            )
            for row in found
        ]

    def no_table(self, table: TableName) -> InputError:
        """Return the message for a table that is not there.

        Or for a URL that does not say where it should be.
        """
        if not table.schema and not self.url.database:
            return InputError(
                "source.url names no database.",
                why=f"So {table} means no table.",
                fix="Write the database behind the host, or `source.table` as database.table.",
            )
        return super().no_table(table)

    def indexes(self, table: TableName) -> list[Index]:
        """Return the table's indexes by name; none for views."""
        # Which columns this view has depends on the server: `is_visible` and `expression` are MySQL's since 8.0,
        # `ignored` is MariaDB's since 10.6.
        rows: dict[str, list[dict[str, Any]]] = {}
        for row in self._named(
            f"SELECT * FROM information_schema.statistics WHERE {is_table(table)} ORDER BY index_name, seq_in_index"  # noqa: S608 - quoted
        ):
            rows.setdefault(row["index_name"], []).append(row)
        return [
            Index(name, tuple(part["column_name"] for part in parts), _serves_ranges(parts[0]), _ordered(parts))
            for name, parts in rows.items()
        ]

    def leading_columns(self, table: TableName) -> set[str]:
        """Return the first columns of indexes that serve ranges.

        Empty for views.
        """
        leading = {index.columns[0] for index in self.indexes(table) if index.serves_ranges}
        return {column for column in leading if column is not None}

    def primary_key(self, table: TableName) -> tuple[str, ...]:
        """Return the columns of the primary key; empty for views."""
        found = next((index.columns for index in self.indexes(table) if index.name == "PRIMARY"), ())
        return tuple(column for column in found if column is not None)

    def kind(self, table: TableName) -> tuple[str, str] | None:
        """Return the kind and engine of a table, None where absent."""
        found = self.rows(
            f"SELECT table_type, coalesce(engine, '') FROM information_schema.tables WHERE {is_table(table)}"  # noqa: S608 - quoted
        )
        return (str(found[0][0]), str(found[0][1])) if found else None

    def stores_all(self, table: TableName) -> bool:
        """Return whether it is a table none of whose columns is computed."""
        found = self.rows(
            "SELECT COUNT(*), COUNT(NULLIF(generation_expression, '')) "  # noqa: S608 - quoted
            f"FROM information_schema.columns WHERE {is_table(table)}"
        )
        kind = self.kind(table)
        return kind is not None and "VIEW" not in kind[0] and found[0][0] > 0 and found[0][1] == 0

    def may_be_shown(self, table: TableName) -> bool:
        """Return whether the account may see all of a definition.

        That takes a right on the whole table.
        """
        try:
            self.rows(f"SHOW CREATE TABLE {self.table_sql(table)}")
        except InputError as exc:
            if exc.__cause__ is not None and kind_of(exc.__cause__) is Kind.RIGHT:
                return False
            raise
        return True

    def made_of(self, table: TableName) -> Iterator[tuple[TableName, str, str]]:
        """Yield each table that a name leads to, its kind and engine.

        That is the table itself, or a view and all that the server's text of it names, through further views.
        """
        schemas = {str(name).casefold() for (name,) in self.rows("SELECT schema_name FROM information_schema.schemata")}
        seen, left = {table}, [table]
        while left:
            each = left.pop()
            if (found := self.kind(each)) is None:
                continue
            yield each, *found
            if "VIEW" in found[0]:
                named = {name for name in self._named_by(each) if str(name.schema).casefold() in schemas} - seen
                seen |= named
                left += named

    def _named_by(self, view: TableName) -> set[TableName]:
        """Return the pairs of names in a view's text; some are a table's alias and a column."""
        texts = self.rows(f"SELECT view_definition FROM information_schema.views WHERE {is_table(view)}")  # noqa: S608 - quoted
        pairs = {pair for (text,) in texts for pair in _PAIR.findall(str(text))}
        return {TableName(schema.replace("``", "`"), name.replace("``", "`")) for schema, name in pairs}

    def _named(self, question: str) -> Sequence[dict[str, Any]]:
        """Return rows by the names of their columns, in lower case."""
        try:
            result = self._connection.exec_driver_sql(question, execution_options={"no_parameters": True})
            return [dict(zip(map(str.lower, result.keys()), row, strict=True)) for row in result]
        except SQLAlchemyError as exc:
            raise self._translate(exc, "ask the catalogue") from exc


def _type(column: dict[str, Any]) -> TypeEngine[Any]:
    """Return SQLAlchemy's type; NullType for one that is not known here."""
    name, is_unsigned = column["data_type"].lower(), "unsigned" in column["column_type"].lower()
    if name in _INTEGERS:
        return _INTEGERS[name](unsigned=is_unsigned)
    if name == "decimal":
        return mysql.DECIMAL(column["numeric_precision"], column["numeric_scale"], unsigned=is_unsigned)
    return _TYPES.get(name, NullType())


def _serves_ranges(first_part: dict[str, Any]) -> bool:
    is_hidden = first_part.get("is_visible") == "NO" or first_part.get("ignored") == "YES"
    # An index on a prefix only leads to rows that have to be looked at.
    return first_part["index_type"] == "BTREE" and not is_hidden and first_part["sub_part"] is None


def _ordered(parts: Sequence[dict[str, Any]]) -> int:
    direction = parts[0].get("collation")
    whole = itertools.takewhile(lambda part: part["sub_part"] is None and part.get("collation") == direction, parts)
    return sum(1 for _ in whole)


def text_literal(text: str) -> str:
    """Return a text literal whose meaning does not depend on sql_mode."""
    return f"_utf8mb4 X'{text.encode().hex()}'"


def schema_of(table: TableName) -> str:
    """Return the SQL of the table's schema.

    It is the connection's own where none is named.
    """
    return text_literal(table.schema) if table.schema else "DATABASE()"


def is_table(table: TableName) -> str:
    """Return the condition that is true of this table alone.

    It is on `table_schema` and `table_name`. The plain comparison with a literal lets MariaDB find one table without
    opening all of them. It ignores case there, whatever the server does with the names of tables, so the bytes are
    compared as well.
    """
    schema, name = schema_of(table), text_literal(table.table)
    pairs = (("table_schema", schema), ("table_name", name))
    plain = " AND ".join(f"{column} = {wanted}" for column, wanted in pairs)
    bytewise = " AND ".join(f"CAST({column} AS BINARY) = CAST({wanted} AS BINARY)" for column, wanted in pairs)
    return f"{plain} AND (@@lower_case_table_names > 0 OR ({bytewise}))"
