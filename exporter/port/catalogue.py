"""What SQLAlchemy says of a table.

That it is there, its columns and types, its indexes, and how names are quoted. A connection of its own, apart from the
one that reads; it never stays in a transaction.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy.engine import URL, Inspector
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, NoSuchTableError, SAWarning, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlalchemy.types import NullType, TypeEngine

from exporter.port.source import TableName
from staging.errors import InputError, PenstockError
from staging.process.missing_extra import missing_extra

_CONNECT_ERRORS = (RuntimeError, ValueError, TypeError, NotImplementedError)
"""Errors of other kinds that drivers raise while they connect, for a missing option or package."""
Translate = Callable[[BaseException, str], PenstockError]
"""Turns a driver's exception into our error; the text says what was being done."""


@dataclass(frozen=True, slots=True)
class ReflectedColumn:
    """A column as the catalogue has it.

    `source_type` is the database's spelling where it can be had.
    """

    name: str
    quoted: str
    type: TypeEngine[Any]
    source_type: str
    nullable: bool
    collation: str | None = None


class Catalogue:
    """An open connection to look things up by.

    Errors come out as `translate` makes them. `connect` makes the driver's own connection; without it SQLAlchemy does,
    from the URL.
    """

    def __init__(self, url: URL, translate: Translate, *, connect: Callable[[], Any] | None = None) -> None:
        self.url = url
        self._translate = translate
        try:
            # SQLAlchemy would read the options, too, although it does not connect here.
            self.engine = sqlalchemy.create_engine(
                url.set(query={}) if connect else url,
                poolclass=NullPool,
                # Nothing is open in autocommit; on a lost connection a ROLLBACK would be logged as an error.
                pool_reset_on_return=None,
                isolation_level="AUTOCOMMIT",
                **({"creator": connect} if connect else {}),
            )
            self._connection = self.engine.connect()
        except NoSuchModuleError as exc:
            raise InputError(
                f"There is no driver for {url.drivername} here.",
                why=str(exc),
                fix="Install SQLAlchemy's dialect of that database.",
            ) from exc
        except ModuleNotFoundError as exc:
            raise missing_extra(exc) or InputError(
                f"The driver for {url.drivername} is not installed here.",
                why=str(exc),
                fix=f"Install the package that has the module {exc.name}.",
            ) from exc
        except (SQLAlchemyError, OSError, *_CONNECT_ERRORS) as exc:
            raise translate(exc, "connect") from exc

    def quote(self, name: str) -> str:
        """Return an identifier in the dialect's quotes, whatever is in it."""
        # Not `quote_identifier`: it doubles each %, for drivers that are given parameters; our statements have none.
        preparer = self.engine.dialect.identifier_preparer
        escaped = name.replace(preparer.escape_quote, preparer.escape_to_quote)
        return f"{preparer.initial_quote}{escaped}{preparer.final_quote}"

    def table_sql(self, table: TableName) -> str:
        """Return the quoted table."""
        quoted = self.quote(table.table)
        return f"{self.quote(table.schema)}.{quoted}" if table.schema else quoted

    def rows(self, sql: str, *parameters: object) -> Sequence[tuple[Any, ...]]:
        """Run a small statement of our own, as the driver takes it.

        Parameters are bound.
        """
        try:
            # Without parameters a % in the statement is only a %.
            options = {"no_parameters": not parameters}
            result = self._connection.exec_driver_sql(sql, tuple(parameters) or None, execution_options=options)
            return [tuple(row) for row in result]
        except SQLAlchemyError as exc:
            raise self._translate(exc, "ask the catalogue") from exc

    def columns(self, table: TableName) -> list[ReflectedColumn]:
        """Return the table's or view's columns in order.

        InputError if there is no such table.
        """
        try:
            with self._inspector() as inspector:
                reflected = inspector.get_columns(table.table, schema=table.schema)
        except NoSuchTableError:
            raise self.no_table(table) from None
        except SQLAlchemyError as exc:
            raise self._translate(exc, f"look up the columns of {table}") from exc
        if not reflected:
            raise self.no_table(table)
        return [
            ReflectedColumn(
                name=column["name"],
                quoted=self.quote(column["name"]),
                type=column["type"],
                source_type=self._spell(column["type"]),
                nullable=bool(column.get("nullable", True)),
            )
            for column in reflected
        ]

    def leading_columns(self, table: TableName) -> set[str]:
        """Return the columns that an index begins with; empty for views."""
        indexes: list[Sequence[str | None]] = [self.primary_key(table)]
        with self._unless_view(table), self._inspector() as inspector:
            indexes += [index["column_names"] for index in inspector.get_indexes(table.table, schema=table.schema)]
        return {columns[0] for columns in indexes if columns and columns[0] is not None}

    def primary_key(self, table: TableName) -> tuple[str, ...]:
        """Return the columns of the primary key; empty for views."""
        with self._unless_view(table), self._inspector() as inspector:
            return tuple(inspector.get_pk_constraint(table.table, schema=table.schema)["constrained_columns"])
        return ()

    def close(self) -> None:
        """Let go of the connection, dead or alive."""
        with suppress(SQLAlchemyError, OSError):
            self._connection.close()
        self.engine.dispose()

    @contextmanager
    def _unless_view(self, table: TableName) -> Iterator[None]:
        """A view has no answer, and that is no error; a lost connection has none, either, and that is one."""
        try:
            yield
        except (SQLAlchemyError, NotImplementedError) as exc:
            if isinstance(exc, DBAPIError) and exc.connection_invalidated:
                raise self._translate(exc, f"look up the keys of {table}") from exc

    @contextmanager
    def _inspector(self) -> Iterator[Inspector]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SAWarning)  # an unknown type: refused by name where the pipeline names it
            yield sqlalchemy.inspect(self._connection)

    def _spell(self, type_: TypeEngine[Any]) -> str:
        if isinstance(type_, NullType):
            return ""
        try:
            return str(type_.compile(self.engine.dialect))
        except SQLAlchemyError:
            return type(type_).__name__

    def no_table(self, table: TableName) -> InputError:
        """Return the message for a table that is not there.

        With the nearest name that is.
        """
        names: list[str] = []
        with suppress(SQLAlchemyError), self._inspector() as inspector:  # no such schema: nothing to propose
            names += [*inspector.get_table_names(schema=table.schema), *inspector.get_view_names(schema=table.schema)]
        if table.table in names:
            return InputError(
                f"The catalogue lists {table} and none of its columns.",
                why="A view may name a table, a column or a function that is gone, or that may not be seen.",
            )
        near = difflib.get_close_matches(table.table, names, n=1)
        return InputError(
            f"There is no table or view {table} in the source.",
            why="The catalogue does not know it, or the user may not see it. Names are compared exactly.",
            fix=f"Did you mean {near[0]!r}?"
            if near
            else "Correct the name in the pipeline file; where it has dots of its own, set `schema` beside it. Or "
            "GRANT SELECT ON it to the account.",
        )
