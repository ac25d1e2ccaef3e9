"""Plans the tables beside the leading one.

All at its instant, and before a row is read. Those with a time come first: then the keys of the day's rows are known
when the others are read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from exporter.port.probes import run_probes
from exporter.port.question import DayQuestion, PlannedRead, plan_read
from exporter.port.source import Estimate, OpenTable, SourceColumn, TableName, TimeKind
from exporter.refuse.drift import check_drift, find_table_contract
from exporter.refuse.full_scan import check_full_scan
from staging.config.with_table import WithTable
from staging.documents.manifest import Manifest
from staging.dtypes import format_dtype
from staging.errors import InputError
from staging.key import show_row

T = TypeVar("T", bound=OpenTable)
U = TypeVar("U")
"""Where a table's rows are read from: an open table of the database, or files."""

_KEYS = "penstock_keys"


@dataclass(frozen=True, slots=True)
class PlannedTable(Generic[U]):
    """A table of the day, ready to be read.

    `name` is the pipeline's for it; the leading table has none, and no `config`.
    """

    name: str
    config: WithTable | None
    question: DayQuestion
    table: U
    read: PlannedRead
    estimate: Estimate
    is_joined: bool = False
    """Whether the database gives it only for the keys of the day's rows."""

    @property
    def has_time(self) -> bool:
        """Whether it holds rows of the day."""
        return self.read.statement.has_time

    @property
    def only_keys(self) -> bool:
        """Whether only rows of the day's keys are carried."""
        return self.config is not None and self.config.only_keys

    @property
    def shown(self) -> str:
        """What people are shown of it."""
        return _show(self.question.table(), self.name)

    @property
    def key(self) -> list[str]:
        """The names of the key's columns."""
        return [column.name for column in self.read.plan.key]


def _show(table: TableName, name: str) -> str:
    return f"{table}{f' (source.with.{name})' if name else ''}"


def add_up(leading: Estimate, beside: Sequence[Estimate]) -> Estimate:
    """Return how many rows all tables give."""
    if not beside:
        return leading
    rows = leading.rows + sum(each.rows for each in beside)
    return Estimate(rows, f"of {len(beside) + 1} tables {leading.how}")


def plan_beside(
    question: DayQuestion,
    contract: Manifest | None,
    leading: T,
    read: PlannedRead,
    dialect: str,
    *,
    looks: bool = True,
    joins: bool = True,
    at: Callable[[str], None] = lambda _: None,
) -> list[PlannedTable[T]]:
    """Return the tables in the order in which they are read.

    InputError for one that can't be read with the leading table: it has another key, needs a scan for its day, has two
    rows of a key, or a row that no window shows. Reads a row only to look for such, if it `looks`. The database itself
    joins one without a time with the day's keys, if it `joins` them. `at` is called with the table that is looked at.
    """
    found: list[PlannedTable[T]] = []
    tables = sorted(question.pipeline.source.tables_beside.items(), key=lambda named: named[1].time is None)
    for name, config in tables:
        of_table = question.of_table(name)
        at(_show(of_table.table(), name))
        with of_table.names_its_table():
            table = leading.beside(of_table.table())
            before = [read, *(each.read for each in found)] if joins else []
            planned = _plan(of_table, config, table, dialect, before, check=partial(check_key, question, read))
            check_drift(find_table_contract(contract, name), of_table, planned, dialect)
            if looks:
                run_probes(planned, table)
            if looks and config.time is None:
                _check_one_row(of_table, planned, table)
            estimate = table.estimate(planned.statement)
        is_joined = config.time is None and config.only_keys and _are_all_of_the_day(before)
        found.append(PlannedTable(name, config, of_table, table, planned, estimate, is_joined=is_joined))
    return found


def _are_all_of_the_day(before: Sequence[PlannedRead]) -> bool:
    """Whether the keys that the database joins are exactly those of the rows that are read.

    For ISO text the statement also gives rows beside the day's (`plan_bounds`).
    """
    return bool(before) and all(
        each.plan.time_kind is not TimeKind.ISO_TEXT for each in before if each.statement.has_time
    )


def _plan(
    question: DayQuestion,
    config: WithTable,
    table: OpenTable,
    dialect: str,
    before: Sequence[PlannedRead],
    *,
    check: Callable[[DayQuestion, PlannedRead], None],
) -> PlannedRead:
    """Return the read of one table; `check` gets its key before the database compares it with another's."""
    read = plan_read(question, table, dialect, has_time=config.time is not None)
    check(question, read)
    if config.time is None:
        return join_keys(read, before if config.only_keys else ())
    check_full_scan(question, read, table, dialect)
    return read


def join_keys(read: PlannedRead, before: Sequence[PlannedRead]) -> PlannedRead:
    """Return the read, joined with the keys of the day's rows.

    Of a table without a time, and of those tables in `before` that have a time, if any are given.
    """
    if not before:
        return read
    name = _find_free_name(read)
    keys = " UNION ".join(_keys_of(each, name) for each in before if each.statement.has_time)
    on = " AND ".join(f"{column.quoted} = {name}.{name}{place}" for place, column in enumerate(_key_columns(read)))
    joined = f"{read.statement.table} JOIN ({keys}) {name} ON {on}"
    return replace(read, statement=replace(read.statement, table=joined))


def _find_free_name(read: PlannedRead) -> str:
    """Return a name for the keys that is part of no name of the table or of a column of it."""
    taken = [name.casefold() for name in (read.statement.table, *read.table_columns)]
    name = _KEYS
    while any(name in each for each in taken):
        name += "_"
    return name


def _keys_of(read: PlannedRead, name: str) -> str:
    selected = ", ".join(f"{column.quoted} AS {name}{place}" for place, column in enumerate(_key_columns(read)))
    return f"SELECT DISTINCT {selected} FROM {read.statement.table} WHERE {read.statement.condition()}"  # noqa: S608 - quoted by the dialect


def _key_columns(read: PlannedRead) -> Sequence[SourceColumn]:
    return read.columns[: read.statement.time_index]


def check_key(leading: DayQuestion, leads: PlannedRead, question: DayQuestion, read: PlannedRead) -> None:
    """Raise InputError where the key has other types than the leading table's.

    Equal keys would lie in other shards, or not be equal in a join: also where a database writes a UUID, and somebody
    wrote a text. Files have no such types.
    """
    if [column.dtype for column in read.plan.key] == [column.dtype for column in leads.plan.key] and (
        question.is_of_files or _spelled_as(read) == _spelled_as(leads)
    ):
        return
    raise InputError(
        f"The key of {question.table()} has another type than the key of {leading.table()}.",
        why=f"{_show_types(read)}; {_show_types(leads)}.",
        fix=f"Choose another column as `source.with.{question.beside}.key`, or "
        f"{'write it in that type' if question.is_of_files else 'read a view that casts it to that type'}.",
    )


def _spelled_as(read: PlannedRead) -> list[str]:
    return [carried.spelled_as for _, carried in zip(read.plan.key, read.plan.select, strict=False)]


def _show_types(read: PlannedRead) -> str:
    return ", ".join(f"{each.name} is {each.source_type} ({format_dtype(each.dtype)})" for each in read.plan.key)


def _check_one_row(question: DayQuestion, read: PlannedRead, table: OpenTable) -> None:
    """Raise InputError where a key has two rows, and names it."""
    key = _key_columns(read)
    selected = ", ".join(carried.select for carried in read.statement.select[: len(key)])
    grouped = ", ".join(column.quoted for column in key)
    twice = table.fetch(
        f"SELECT {selected} FROM {read.statement.table} WHERE {read.statement.condition()} "  # noqa: S608 - quoted by the dialect
        f"GROUP BY {grouped} HAVING COUNT(*) > 1"
    )
    if twice:
        raise refuse_two_rows(question, [column.name for column in key], twice[0])


def refuse_other_key(question: DayQuestion, key: Sequence[str], row: Sequence[object]) -> InputError:
    """Return the error for a row of another key.

    It came although the database joined the table with the day's keys.
    """
    return InputError(
        f"{question.table()} has a row of another key than the day's, where {show_row(key, row)}.",
        why="The database takes it for the same as one of the day's keys, such as two texts of which one ends with a "
        "space. Whoever joins them by the key would miss it.",
        fix=f"Give both keys a collation that tells them apart, or write both alike; or leave the row out by "
        f"`source.with.{question.beside}.where`. Nothing was exported.",
    )


def refuse_two_rows(question: DayQuestion, key: Sequence[str], row: Sequence[object]) -> InputError:
    """Return the error for a key that has two rows.

    In a table without a time.
    """
    where = "" if question.is_of_files else f" by `source.with.{question.beside}.where` or a view"
    return InputError(
        f"{question.table()} has more than one row of a key, where {show_row(key, row)}.",
        why="A table without a time is joined by its key, and each further row would count a sum again.",
        fix=f"Leave one row a key{where}, or name its time. Nothing was exported.",
    )
