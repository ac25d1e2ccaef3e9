"""What an export asks.

Which pipeline and day, in which window, under which export id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from exporter.port.columns import ReadPlan, plan_columns
from exporter.port.source import Bound, OpenTable, SourceColumn, Statement, TableName
from exporter.port.time_column import is_utc, is_whole_days, plan_bounds
from exporter.port.where_clause import check_where
from staging.config.pipeline import Pipeline
from staging.errors import InputError
from staging.names import DayNames
from staging.window import Window, load_zone

_OWN_KEYS = re.compile(r"\bsource\.(table|schema|key|time|columns|where|allow_null)\b")
"""What a table beside the leading one has of its own in the pipeline file."""

MOST_READS = 3
"""How often a day is read at most whose seal does not agree."""


@dataclass(frozen=True, slots=True)
class DayQuestion:
    """One business day of one pipeline, and who reads it.

    The reader is known by the attempt's id.
    """

    pipeline: Pipeline
    names: DayNames
    window: Window
    export_id: str
    require_closed: bool = False
    """Whether a day that is not over is refused."""
    most_reads: int = MOST_READS
    beside: str | None = None
    """The table beside the leading one that this is about, by its name in the pipeline file."""

    def table(self) -> TableName:
        """Return the table or view it reads.

        Where that is none, what is read instead, as a name for people.
        """
        source = self.pipeline.source
        other = source.parquet or source.python or source.exports
        return TableName(None, other) if other else TableName(*source.table_parts())

    @property
    def is_of_files(self) -> bool:
        """Whether rows are those of Parquet files."""
        return self.pipeline.source.parquet is not None

    def of_table(self, name: str) -> DayQuestion:
        """Return the same question of a table beside the leading one.

        Its settings take the place of the leading table's, but for a time, where it has none.
        """
        source = self.pipeline.source.of_table(name)
        return replace(self, pipeline=self.pipeline.model_copy(update={"source": source}), beside=name)

    @contextmanager
    def names_its_table(self) -> Iterator[None]:
        """Let an InputError name the table beside the leading one.

        By its keys in the pipeline file.
        """
        try:
            yield
        except InputError as error:
            if self.beside is not None:
                own = f"source.with.{self.beside}"
                parts = (_OWN_KEYS.sub(rf"{own}.\1", part) for part in (error.what, error.why, error.fix))
                error.what, error.why, error.fix = parts
                if own not in str(error):
                    error.why = f"It is of {self.table()} ({own}). {error.why}".rstrip()
            raise

    def tables(self) -> tuple[TableName, ...]:
        """Return all tables that are read, the leading one first."""
        return (self.table(), *self.tables_beside())

    def tables_beside(self) -> tuple[TableName, ...]:
        """Return the other tables that are read at the same instant."""
        return tuple(TableName(*table.table_parts()) for table in self.pipeline.source.tables_beside.values())

    def shard_file(self, shard: int) -> str:
        """Return the name of a shard's file."""
        return self.names.shard_file(self.export_id, shard, table=self.beside)


@dataclass(frozen=True, slots=True)
class PlannedRead:
    """How the question is put to one database: columns and statement."""

    plan: ReadPlan
    columns: tuple[SourceColumn, ...]
    statement: Statement
    table_columns: tuple[str, ...]
    """All columns of the table, sorted."""

    @property
    def time(self) -> SourceColumn:
        """The column that decides a row's day."""
        return self.columns[self.statement.time_index]


def plan_read(question: DayQuestion, table: OpenTable, dialect: str, *, has_time: bool = True) -> PlannedRead:
    """Return the statement.

    InputError for what can't be carried exactly. Reads the catalogue, and no row. Of a table without a time the
    statement gives all rows.
    """
    source = question.pipeline.source
    where = check_where(source.where, dialect=dialect)
    found = table.describe()
    plan = plan_columns(source, found, has_time=has_time)
    columns = tuple(found[column.name] for column in plan.columns)
    bounds: tuple[Bound, Bound] = ("", "")
    zone = load_zone(source.column_timezone)
    if has_time:
        bounds = plan_bounds(plan.time_kind, question.window, question.names.day, zone)
    statement = Statement(
        select=plan.select,
        table=table.table_sql,
        time=columns[plan.time_index].quoted if has_time else "",
        low=bounds[0],
        high=bounds[1],
        where=where,
        literal=table.literal,
        time_index=plan.time_index,
        has_time=has_time,
        is_utc=is_utc(zone),
        is_whole_days=is_whole_days(question.window, zone),
    )
    return PlannedRead(plan, columns, statement, tuple(sorted(found)))
