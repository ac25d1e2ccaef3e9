"""Reads SQLite: rows by ADBC, the catalogue by sqlite3.

One transaction is the snapshot.

* ADBC takes a column's type from the first rows it sees, and NULLs first make it an integer. So the statement begins
  with a row of our own that has a value of the right type in each column; it is dropped.
* Any value can lie in any column. One pass over the window, in the same snapshot, looks for what is stored otherwise
  than declared, and names it.
* In rollback-journal mode a reader keeps writers from committing; the snapshot's cap holds here, too.

Rights: to read the file and, in WAL mode, to write beside it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import adbc_driver_sqlite
import polars as pl
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from databases.sqlite.errors import meaning_of
from databases.sqlite.url import find_path
from exporter.port.adbc import DRIVER_ERRORS, AdbcSession
from exporter.port.catalogue import Catalogue
from exporter.port.probes import plan_probe
from exporter.port.same_rows import Telling
from exporter.port.sliced_source import Slices, refuse_slices
from exporter.port.source import Bound, Estimate, Probe, SourceColumn, Statement, TableName, TimeKind, Wire
from exporter.port.source_errors import source_error
from exporter.sqlite.texts import check_texts
from exporter.sqlite.times import not_iso
from exporter.sqlite.types import Declared, read_declared
from staging.documents.manifest import Source as StoredSource
from staging.errors import InputError, PenstockError
from staging.key import show_row

_BUSY_SECONDS = 5
_BATCH_ROWS = 65_536


class SqliteSource:
    """Two connections to one file."""

    dialect = "sqlite"
    reader = "adbc-sqlite"
    connections = 0

    def __init__(self, url: URL) -> None:
        self._path = _find_file(url)
        uri = f"file:{quote(str(self._path))}?mode=ro"
        self.is_abandoned = False
        self.catalogue = Catalogue(
            URL.create("sqlite"),
            self.translate,
            connect=lambda: sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS),
        )
        try:
            self._session = AdbcSession(adbc_driver_sqlite.connect(uri))
            self._streaming = self._session.statement({"adbc.sqlite.query.batch_rows": str(_BATCH_ROWS)})
            self._plain = self._session.statement({})
        except DRIVER_ERRORS as exc:
            self.catalogue.close()
            raise self.translate(exc, "open the file") from exc
        try:
            self.run(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}", "set up the session")
            ((self.server_version,),) = self.run("SELECT sqlite_version()", "ask for its version")
        except PenstockError:
            self.close()
            raise
        self.server_identity = f"{self._path}#{self._path.stat().st_ino}"

    def describe_connection(self) -> str:
        """See `Source`."""
        return f"the file {self._path}"

    def translate(self, error: BaseException, doing: str) -> PenstockError:
        """Return UnavailableError for what may pass, InputError for the rest."""
        original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        ours = source_error(meaning_of(original), "SQLite", doing, why=" ".join(str(original).split()))
        ours.fix = f"{ours.fix} The file is {self._path}.".strip()
        return ours

    def run(self, sql: str, doing: str) -> Sequence[tuple[Any, ...]]:
        """Run a small statement on the reading connection."""
        try:
            found = self._plain.fetch(sql)
        except DRIVER_ERRORS as exc:
            raise self.translate(exc, doing) from exc
        check_texts(found, found.columns)
        return found.rows()

    def stream(self, sql: str, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Run a statement and give its batches, without their very first row.

        `columns` are what people know the statement's columns by.
        """
        try:
            for number, frame in enumerate(self._streaming.stream(sql)):
                check_texts(frame, columns)
                yield frame.slice(1) if number == 0 else frame
        except DRIVER_ERRORS as exc:
            raise self.translate(exc, "read the day") from exc

    def begin_snapshot(self, table: TableName, *, max_seconds: int, also: Sequence[TableName] = ()) -> SqliteSnapshot:
        """Begin a transaction; its first read fixes what all see."""
        del max_seconds, also  # there is no server that could enforce it, and nobody alters a file that is read
        self.run("BEGIN", "begin a snapshot")
        ((count, now),) = self.run(
            "SELECT (SELECT count(*) FROM sqlite_schema), strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')",
            "begin a snapshot",
        )
        del count
        ((schema_version,),) = self.run("PRAGMA schema_version", "begin a snapshot")
        evidence = {"schema_version": str(schema_version)}
        return SqliteSnapshot(self, table, as_of=datetime.fromisoformat(now), evidence=evidence)

    def why_no_slices(self, table: TableName) -> str:
        """Return why there are none."""
        del table
        return "SQLite has no row versions and no clock that writers share"

    def find_closed(self, window_end: datetime, grace_seconds: int, *, tables: Sequence[TableName] = ()) -> None:
        """Return None: nothing is known of others' transactions."""

    def begin_slices(self, table: TableName, *, also: Sequence[TableName] = (), max_seconds: int = 0) -> Slices:
        """Raise InputError: there are no slices here."""
        del also, max_seconds
        raise refuse_slices(table, self.why_no_slices(table))

    def interrupt(self) -> None:
        """Do nothing: ADBC's driver can't stop SQLite in this process."""

    def abandon(self) -> None:
        """Leave the connections to the thread that uses them."""
        self.is_abandoned = True

    def close(self) -> None:
        """Close both connections."""
        if self.is_abandoned:
            return
        self._session.close()
        self.catalogue.close()


class SqliteSnapshot:
    """A read transaction."""

    def __init__(self, source: SqliteSource, table: TableName, *, as_of: datetime, evidence: dict[str, str]) -> None:
        self._source = source
        self._table = table
        self._open = True
        self._declared: dict[str, Declared] = {}
        self.table_sql = source.catalogue.table_sql(table)
        self.as_of = as_of
        self.evidence = evidence

    def beside(self, table: TableName) -> SqliteSnapshot:
        """Return another table in this transaction."""
        other = SqliteSnapshot(self._source, table, as_of=self.as_of, evidence=dict(self.evidence))
        other._open = False
        return other

    def describe(self) -> Mapping[str, SourceColumn]:
        """Return the columns by their declared types."""
        catalogue = self._source.catalogue
        known = {row[1] for row in catalogue.rows("PRAGMA database_list")}
        if self._table.schema and self._table.schema not in known:
            raise catalogue.no_table(self._table)
        schema = f"{catalogue.quote(self._table.schema)}." if self._table.schema else ""
        rows = catalogue.rows(f"PRAGMA {schema}table_xinfo({catalogue.quote(self._table.table)})")
        if not rows:
            raise catalogue.no_table(self._table)
        found = {}
        for _, name, declared_type, not_null, _, part_of_key, hidden in rows:
            if hidden == 1:
                continue
            quoted = catalogue.quote(name)
            self._declared[name] = declared = read_declared(declared_type or "", quoted)
            is_rowid = part_of_key and str(declared_type).upper() == "INTEGER"
            found[name] = SourceColumn(
                name=name,
                source_type=declared_type or "",
                nullable=not (not_null or is_rowid),
                quoted=quoted,
                carried=declared.carried,
                refusal=declared.refusal,
                time=declared.time,
                folding=self._folding(quoted),
            )
        return found

    def literal(self, bound: Bound) -> str:
        """Write a bound."""
        if isinstance(bound, int):
            return str(bound)
        text = bound if isinstance(bound, str) else bound.isoformat()
        return "'" + text.replace("'", "''") + "'"

    def fetch(self, sql: str) -> Sequence[tuple[object, ...]]:
        """Return the rows of a small statement in this snapshot."""
        return self._source.run(sql, "look at the day")

    def probes(self, statement: Statement, columns: Sequence[SourceColumn]) -> Sequence[Probe]:
        """Look for times and values that a statement would miss."""
        found = [self._misplaced(statement, columns)]
        if not statement.has_time:
            return found
        time = columns[statement.time_index]
        if time.time in (TimeKind.ISO_TEXT, TimeKind.DATE):
            # Every number sorts before every text, every blob behind.
            other = f"({time.quoted} < '' OR {time.quoted} >= x'')"
            found.append(plan_probe(statement, columns, other, f"Column {time.name} holds something else than text"))
            first, last = (date.fromisoformat(str(bound)[:10]) for bound in (statement.low, statement.high))
            spelled = not_iso(time.quoted, first, last)
            found.append(
                plan_probe(statement, columns, spelled, f"Column {time.name} holds a text that is no ISO time")
            )
        elif time.time is TimeKind.UNIX_SECONDS:
            other = f"{time.quoted} >= ''"
            found.append(
                plan_probe(statement, columns, other, f"Column {time.name} holds something else than a number")
            )
        if time.time is TimeKind.ISO_TEXT and isinstance(statement.low, str) and isinstance(statement.high, str):
            found.append(
                plan_probe(statement, columns, _with_offset(time.quoted, statement), _OFFSET.format(time.name))
            )
        return found

    def _misplaced(self, statement: Statement, columns: Sequence[SourceColumn]) -> Probe:
        storage = {column.name: self._declared[column.name].storage for column in columns}
        wrong = " OR ".join(
            f"typeof({column.quoted}) NOT IN ({', '.join(repr(kind) for kind in (*storage[column.name], 'null'))})"
            for column in columns
        )
        shown = ", ".join(f"typeof({column.quoted}), substr(quote({column.quoted}), 1, 60)" for column in columns)
        key = columns[: statement.time_index]
        sql = (
            f"SELECT {', '.join(column.quoted for column in key)}, {shown} "  # noqa: S608 - quoted by the dialect
            f"FROM {statement.table} "
            f"WHERE {statement.condition()} AND ({wrong}) LIMIT 1"
        )

        def tell(row: tuple[object, ...]) -> str:
            of_key, others = row[: len(key)], row[len(key) :]
            kinds = zip(columns, others[::2], others[1::2], strict=True)
            column, kind, value = next(each for each in kinds if each[1] not in (*storage[each[0].name], "null"))
            return (
                f"Column {column.name} ({column.source_type}) holds {kind} {value}, "
                f"where {show_row([column.name for column in key], of_key)}."
            )

        return Probe(sql, tell)

    def estimate(self, statement: Statement) -> Estimate:
        """Count the rows of the statement."""
        sql = f"SELECT count(*) FROM {statement.table} WHERE {statement.condition()}"  # noqa: S608 - quoted by the dialect
        ((rows,),) = self.fetch(sql)
        return Estimate(int(str(rows)), "counted")

    def read(self, statement: Statement, estimate: Estimate) -> Iterator[pl.DataFrame]:
        """Stream the statement behind a row that shows ADBC the types."""
        del estimate
        example = ", ".join(f"{_example(statement, i)} AS c{i}" for i, _ in enumerate(statement.select))
        columns = [carried.select for carried in statement.select]
        return self._source.stream(f"SELECT {example} UNION ALL {statement.text()}", columns)

    def plan_telling(
        self, statement: Statement, columns: Sequence[SourceColumn], stored: StoredSource
    ) -> Telling | str:
        """Return why nothing but count and sums can tell."""
        del statement, columns, stored
        return "SQLite has neither row versions nor checksums"

    def close(self) -> None:
        """End the transaction."""
        if self._open and not self._source.is_abandoned:
            self._open = False
            with suppress(PenstockError):  # a dead connection has ended it
                self._source.run("ROLLBACK", "end the snapshot")

    def _folding(self, quoted: str) -> str | None:
        """Return the collation by which the column is compared, None for BINARY. Only SQLite's bytecode tells it."""
        rows = self._source.catalogue.rows(f"EXPLAIN SELECT {quoted} = 'x' FROM {self.table_sql}")  # noqa: S608 - quoted by the dialect
        collations = {str(row[5]).split("-")[0] for row in rows if row[1] in ("Eq", "Ne") and row[5]}
        return next((name for name in sorted(collations) if name != "BINARY"), None)


_OFFSET = "Column {0} holds a time with a zone of its own, which `source.column_timezone` contradicts"


def _with_offset(time: str, statement: Statement) -> str:
    """Return the condition of times near the window that name a zone: as text they sort by another clock."""
    low = date.fromisoformat(str(statement.low)[:10]) - timedelta(days=1)
    high = date.fromisoformat(str(statement.high)[:10]) + timedelta(days=2)
    clock = f"substr({time}, 11)"
    return (
        f"{time} >= '{low}' AND {time} < '{high}' AND ({clock} LIKE '%+%' OR {clock} LIKE '%-%') "
        f"AND {clock} NOT LIKE '%+00:00' AND {clock} NOT LIKE '%+0000' AND {clock} NOT LIKE '%+00'"
    )


def _example(statement: Statement, index: int) -> str:
    """Return a value of the type in which a column travels."""
    wire, dtype = statement.select[index].wire, statement.select[index].dtype
    if statement.has_time and index == statement.time_index:
        return "0" if isinstance(statement.low, int) else "''"
    if wire is Wire.BOOLEAN_INTEGER or dtype.is_integer():
        return "0"
    if dtype.is_float():
        return "0.5"
    return "x''" if dtype == pl.Binary() else "''"


def _find_file(url: URL) -> Path:
    path = find_path(url)
    if not path.is_file():
        raise InputError(f"There is no file {path}.", why="source.url names it.", fix="Look at source.url.")
    return path
