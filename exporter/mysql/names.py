"""How a table is named to MySQL's and MariaDB's information_schema."""

from __future__ import annotations

from exporter.port.source import TableName


def text_literal(text: str) -> str:
    """Return a text literal whose meaning does not depend on sql_mode."""
    return f"_utf8mb4 X'{text.encode().hex()}'"


def schema_of(table: TableName) -> str:
    """Return the SQL of the table's schema: the connection's own where none is named."""
    return text_literal(table.schema) if table.schema else "DATABASE()"


def is_table(table: TableName) -> str:
    """Return the condition on `table_schema` and `table_name` that is true of this table alone.

    The plain comparison with a literal lets MariaDB find one table without opening all of them. It is without regard
    to case there, whatever the server does with the names of tables, so the bytes are compared as well.
    """
    schema, name = schema_of(table), text_literal(table.table)
    pairs = (("table_schema", schema), ("table_name", name))
    plain = " AND ".join(f"{column} = {wanted}" for column, wanted in pairs)
    bytewise = " AND ".join(f"CAST({column} AS BINARY) = CAST({wanted} AS BINARY)" for column, wanted in pairs)
    return f"{plain} AND (@@lower_case_table_names > 0 OR ({bytewise}))"
