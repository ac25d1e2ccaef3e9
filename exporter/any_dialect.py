"""Reads any database that SQLAlchemy has a dialect for.

Streamed and exact, at the speed of Python rows. The snapshot is the strictest isolation the dialect names, read only
where it can be asked for; the read itself is one statement, which most databases answer from one instant anyway. No
more is promised, and the manifest says so.

Rights: SELECT on the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import polars as pl
import sqlalchemy
from sqlalchemy import types as sql
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.types import TypeEngine

from databases.url import scrub
from exporter.port.catalogue import Catalogue, ReflectedColumn
from exporter.port.driver_rows import BATCH_ROWS, frames_of
from exporter.port.exact_types import plan_decimal
from exporter.port.same_rows import Telling
from exporter.port.sliced_source import Slices, refuse_slices
from exporter.port.source import Bound, Carried, Estimate, Probe, SourceColumn, Statement, TableName, TimeKind, Wire
from exporter.port.time_column import INSTANT
from staging.documents.manifest import Source as StoredSource
from staging.errors import InputError, PenstockError, UnavailableError

_LEVELS_OF_TABLES = ("SNAPSHOT", "SERIALIZABLE")
_ISOLATION_LEVELS = ("SNAPSHOT", "REPEATABLE READ", "SERIALIZABLE")


class AnySource:
    """Two connections of the dialect's own driver."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self.dialect = url.get_backend_name()
        self.reader = f"sqlalchemy-{url.drivername}"
        self.is_abandoned = False
        self.catalogue = Catalogue(url, self.translate)
        levels = self.catalogue.engine.dialect.get_isolation_level_values(None)  # type: ignore[arg-type] # needs none
        self.isolation = next((level for level in _ISOLATION_LEVELS if level in levels), None)
        version = self.catalogue.engine.dialect.server_version_info or ()
        self.server_version = ".".join(map(str, version)) or "?"
        self.server_identity = f"{url.host or ''}:{url.port or ''}/{url.database or ''}"
        engine = self.catalogue.engine
        if self.isolation:
            engine = engine.execution_options(isolation_level=self.isolation)
        try:
            self.connection = engine.connect()
        except SQLAlchemyError as exc:
            raise self.translate(exc, "connect") from exc

    connections = 0

    def describe_connection(self) -> str:
        """See `Source`."""
        return f"as its driver reaches {self._url.host or 'it'}; whether that is encrypted is not known here"

    def translate(self, error: BaseException, doing: str) -> PenstockError:
        """Return the project's own error for a driver's.

        What a dialect means by its errors is not known here; a failure to connect may pass.
        """
        text = scrub(str(error), self._url)
        what = f"{self.dialect} could not {doing}."
        if doing == "connect":
            return UnavailableError(what, why=text, fix="Look at source.url, or try again if the server was down.")
        return InputError(what, why=text, fix="Look at the pipeline's source.")

    def begin_snapshot(self, table: TableName, *, max_seconds: int, also: Sequence[TableName] = ()) -> AnySnapshot:
        """Begin a transaction; the first read fixes what it sees."""
        del max_seconds  # only the client can enforce it
        if also:
            self._isolate_tables()
        for each in (table, *also):
            self.catalogue.columns(each)
        return AnySnapshot(self, table)

    def _isolate_tables(self) -> None:
        """Take a level under which statements of several tables see one instant.

        REPEATABLE READ is none: in many databases it shows what others commit to a table that was not read yet.
        """
        levels = self.catalogue.engine.dialect.get_isolation_level_values(None)  # type: ignore[arg-type] # needs none
        level = next((each for each in _LEVELS_OF_TABLES if each in levels), None)
        if level is None:
            raise InputError(
                f"{self.dialect} can't read several tables at one instant here.",
                why=f"Its dialect names neither {' nor '.join(_LEVELS_OF_TABLES)} as an isolation level.",
                fix="Read one table: leave [source.with] out, or join the tables in a view.",
            )
        try:
            self.connection.close()
            self.connection = self.catalogue.engine.execution_options(isolation_level=level).connect()
        except SQLAlchemyError as exc:
            raise self.translate(exc, "connect") from exc
        self.isolation = level

    def why_no_slices(self, table: TableName) -> str:
        """Return why there are none."""
        del table
        return f"what would prove a read in slices is not known for {self.dialect}"

    def find_closed(self, window_end: datetime, grace_seconds: int, *, tables: Sequence[TableName] = ()) -> None:
        """Return None: nothing is known of others' transactions."""

    def begin_slices(self, table: TableName, *, also: Sequence[TableName] = (), max_seconds: int = 0) -> Slices:
        """Raise InputError: there are no slices here."""
        del also, max_seconds
        raise refuse_slices(table, self.why_no_slices(table))

    def interrupt(self) -> None:
        """Close the connection under the statement.

        There is no common way to cancel one.
        """
        with suppress(SQLAlchemyError, OSError):
            self.connection.invalidate()

    def abandon(self) -> None:
        """Leave the connections to the thread that uses them."""
        self.is_abandoned = True

    def close(self) -> None:
        """Close both connections."""
        if self.is_abandoned:
            return
        with suppress(SQLAlchemyError, OSError):
            self.connection.close()
        self.catalogue.close()


class AnySnapshot:
    """A transaction of the strictest isolation there is."""

    def __init__(self, source: AnySource, table: TableName) -> None:
        self._source = source
        self._table = table
        self._open = True
        self.table_sql = source.catalogue.table_sql(table)
        self.as_of = datetime.now(UTC)
        self.evidence = {"isolation": source.isolation or "the dialect's default", "as_of": "by the exporter's clock"}

    def beside(self, table: TableName) -> AnySnapshot:
        """Return another table in this transaction, which it does not end."""
        other = AnySnapshot(self._source, table)
        other.as_of, other._open = self.as_of, False
        return other

    def describe(self) -> Mapping[str, SourceColumn]:
        """Return the columns by SQLAlchemy's types."""
        found = {}
        for column in self._source.catalogue.columns(self._table):
            carried, refusal = _plan_carried(column)
            found[column.name] = SourceColumn(
                name=column.name,
                source_type=column.source_type,
                nullable=column.nullable,
                quoted=column.quoted,
                carried=carried,
                refusal=refusal,
                time=_time_kind(column.type),
                folding=_folding(column.type),
            )
        return found

    def literal(self, bound: Bound) -> str:
        """Write a bound as the dialect does."""
        literal = sqlalchemy.literal(bound)
        return str(literal.compile(self._source.catalogue.engine, compile_kwargs={"literal_binds": True}))

    def fetch(self, sql: str) -> Sequence[tuple[object, ...]]:
        """Return the rows of a small statement."""
        try:
            result = self._source.connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
            return [tuple(row) for row in result]
        except SQLAlchemyError as exc:
            raise self._source.translate(exc, "look at the day") from exc

    def probes(self, statement: Statement, columns: Sequence[SourceColumn]) -> Sequence[Probe]:
        """Know of nothing that hides from a window here."""
        del statement, columns
        return ()

    def estimate(self, statement: Statement) -> Estimate:
        """Count the rows of the statement."""
        sql_text = f"SELECT COUNT(*) FROM {statement.table} WHERE {statement.condition()}"  # noqa: S608 - quoted by the dialect
        ((rows,),) = self.fetch(sql_text)
        return Estimate(int(str(rows)), "counted")

    def read(self, statement: Statement, estimate: Estimate) -> Iterator[pl.DataFrame]:
        """Stream the statement by the driver's own cursor."""
        del estimate
        return frames_of(self._batches(statement.text()), statement)

    def _batches(self, text: str) -> Iterator[Sequence[Sequence[object]]]:
        options = {"no_parameters": True, "stream_results": True, "max_row_buffer": BATCH_ROWS}
        try:
            result = self._source.connection.exec_driver_sql(text, execution_options=options)
            yield from result.partitions(BATCH_ROWS)
        except SQLAlchemyError as exc:
            raise self._source.translate(exc, "read the day") from exc

    def plan_telling(
        self, statement: Statement, columns: Sequence[SourceColumn], stored: StoredSource
    ) -> Telling | str:
        """Return why nothing but count and sums can tell."""
        del statement, columns, stored
        return f"what else would tell is not known for {self._source.dialect}"

    def close(self) -> None:
        """End the transaction."""
        if self._source.is_abandoned or not self._open:
            return
        with suppress(SQLAlchemyError, OSError):
            self._source.connection.rollback()


def _plan_carried(column: ReflectedColumn) -> tuple[Carried | None, str]:
    type_ = column.type
    if isinstance(type_, sql.Numeric) and not isinstance(type_, sql.Float):
        dtype, why = plan_decimal(type_.precision, type_.scale)
        return (Carried(dtype, Wire.DECIMAL_TEXT, column.quoted), "") if dtype else (None, why)
    pairs: tuple[tuple[type, pl.DataType], ...] = (
        (sql.Integer, pl.Int64()),
        (sql.Float, pl.Float64()),
        (sql.Boolean, pl.Boolean()),
        (sql.DateTime, INSTANT if getattr(type_, "timezone", False) else pl.Datetime("us")),
        (sql.Date, pl.Date()),
        (sql.Time, pl.Time()),
        (sql.LargeBinary, pl.Binary()),
        (sql.String, pl.String()),
    )
    carried = next((dtype for kind, dtype in pairs if isinstance(type_, kind)), None)
    if carried is None:
        return None, "It has no counterpart that is exact in every dialect; cast it in a view"
    return Carried(carried, Wire.NATIVE, column.quoted), ""


def _time_kind(type_: TypeEngine[object]) -> TimeKind | None:
    if isinstance(type_, sql.DateTime):
        return TimeKind.INSTANT if type_.timezone else TimeKind.NAIVE
    if isinstance(type_, sql.Date):
        return TimeKind.DATE
    return TimeKind.UNIX_SECONDS if isinstance(type_, sql.Integer) else None


def _folding(type_: TypeEngine[object]) -> str | None:
    collation = str(getattr(type_, "collation", None) or "")
    return collation if "_ci" in collation.lower() else None
