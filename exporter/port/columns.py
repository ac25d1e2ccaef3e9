"""Decides which columns an export carries and how.

The key's, time, then the configured ones, each exact or refused by name. Decided from the catalogue alone, before a row
is read.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from exporter.port.source import JSON, Carried, SourceColumn, TimeKind, Wire
from exporter.port.time_column import INSTANT
from staging.columns.shard_function import choose_function
from staging.config.source import SourceConfig
from staging.control_sums import is_conservable
from staging.documents.manifest import Column
from staging.dtypes import format_dtype
from staging.errors import InputError

FIX_ROW = "Correct the row, or leave such rows out with `source.where`. Nothing was exported."
_FIX_ROW_ELSEWHERE = "Correct the row where it is written. Nothing was exported."


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """One column of the shards.

    `conserved`: an exact control sum of it is counted; NULL is refused unless allowed.
    """

    name: str
    source_type: str
    dtype: pl.DataType
    wire: Wire
    may_be_null: bool
    conserved: bool
    null_meaning: str

    @property
    def meaning(self) -> str:
        """What a value must be to be decoded."""
        return f"{format_dtype(self.dtype)} value" + (" or one of no such time" if self.dtype == INSTANT else "")

    def describe(self) -> Column:
        """Return the manifest's entry."""
        return Column(
            name=self.name, dtype=format_dtype(self.dtype), source_type=self.source_type, nullable=self.may_be_null
        )


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """All columns in file order, and how each is selected.

    And the name of the shard function. The key's columns come before the one of `time_index` (from 0), the time. A
    table without a time has no such column, and `kind` is None.
    """

    columns: tuple[ColumnPlan, ...]
    select: tuple[Carried, ...]
    kind: TimeKind | None
    shard_function: str
    time_index: int
    is_of_database: bool = True

    @property
    def fix_row(self) -> str:
        """What helps where a row can't be carried.

        Files and functions have no `where`.
        """
        return FIX_ROW if self.is_of_database else _FIX_ROW_ELSEWHERE

    @property
    def key(self) -> tuple[ColumnPlan, ...]:
        """The columns that decide a row's shard."""
        return self.columns[: self.time_index]

    @property
    def time(self) -> ColumnPlan:
        """The column that decides a row's day."""
        return self.columns[self.time_index]

    @property
    def time_kind(self) -> TimeKind:
        """What the time means; ValueError where rows have none."""
        if self.kind is None:
            raise ValueError("the table has no time")
        return self.kind

    def schema(self) -> pl.Schema:
        """Return the shards' schema."""
        return pl.Schema({column.name: column.dtype for column in self.columns})

    def conserved(self) -> tuple[ColumnPlan, ...]:
        """Return the columns that have control sums."""
        return tuple(column for column in self.columns if column.conserved)


def plan_columns(source: SourceConfig, found: Mapping[str, SourceColumn], *, has_time: bool = True) -> ReadPlan:
    """Return how each column is carried.

    InputError that names the first column that can't be. A table beside the leading one may have no time.
    """
    _check_once((*source.key_columns, *((source.time,) if has_time else ()), *source.columns))
    key = [_find(name, found, source) for name in source.key_columns]
    time = [_find(source.time, found, source)] if has_time else []
    carried = [_find(name, found, source) for name in source.columns]
    of_key = [_carried(column, source, instead=_OTHER_KEY) for column in key]
    of_time = [Carried(INSTANT, Wire.NATIVE, _time_select(column)) for column in time]
    of_carried = [_carried(column, source) for column in carried]
    for column in carried:
        _check_float(column, source)
    return ReadPlan(
        columns=(
            *(_plan(column, how, conserved=False, may_be_null=False) for column, how in zip(key, of_key, strict=True)),
            *(
                _plan(column, how, conserved=False, may_be_null=False)
                for column, how in zip(time, of_time, strict=True)
            ),
            *(_plan_value(column, how, source) for column, how in zip(carried, of_carried, strict=True)),
        ),
        select=(*of_key, *of_time, *of_carried),
        kind=_time_kind(time[0]) if time else None,
        shard_function=_shard_function(key, of_key),
        time_index=len(key),
        is_of_database=source.is_database,
    )


def _check_once(names: tuple[str, ...]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"Column {name} is named twice.",
                why="Key and time are carried anyway, and each column once.",
                fix="Leave it out of `source.columns`, or give a second meaning to a second column.",
            )


def _find(name: str, found: Mapping[str, SourceColumn], source: SourceConfig) -> SourceColumn:
    if name in found:
        return found[name]
    near = difflib.get_close_matches(name, found, n=1)
    raise InputError(
        f"{source.place} has no column {name!r}.",
        why=f"Its columns are {', '.join(found)}.",
        fix=f"Did you mean {near[0]!r}? Names are compared exactly." if near else "Names are compared exactly.",
    )


_OTHER_KEY = "Choose another column as `source.key`"


def _carried(
    column: SourceColumn, source: SourceConfig, *, instead: str = "Leave it out of `source.columns`"
) -> Carried:
    if column.carried is not None:
        return column.carried
    raise InputError(
        f"Column {column.name} of type {column.source_type or '(none)'} can't be carried.",
        why=column.refusal,
        fix=f"{instead}, or {'read a view that casts it to' if source.is_database else 'write it in'} a type that can.",
    )


def _time_select(time: SourceColumn) -> str:
    """Return how the time is selected: as the driver's own type, not as the text that other columns may need."""
    native = time.carried is not None and time.carried.wire is Wire.NATIVE
    return time.carried.select if native and time.carried else time.quoted


def _check_float(column: SourceColumn, source: SourceConfig) -> None:
    if _carried(column, source).dtype.is_float() and not source.allow_float:
        raise InputError(
            f"Column {column.name} is a floating-point number ({column.source_type}).",
            why="Sums of floating-point numbers are not exact, so nothing could be proved about money in it.",
            fix=("Change it to DECIMAL, read a view that casts it" if source.is_database else "Write it as a decimal")
            + ", or set `source.allow_float` if it holds no money.",
        )


def _time_kind(time: SourceColumn) -> TimeKind:
    if time.time is not None:
        return time.time
    raise InputError(
        f"Column {time.name} of type {time.source_type or '(none)'} can't decide the day.",
        why=time.refusal or "It is no date, no timestamp, no ISO text in a time column and no unix seconds.",
        fix="Choose another column as `source.time`.",
    )


def _shard_function(key: Sequence[SourceColumn], of_key: Sequence[Carried]) -> str:
    for column in key:
        if column.folding == JSON:
            raise InputError(
                f"Key {column.name} is JSON.",
                why="The database takes different texts of it for one value, such as 1 and 1.0; in shards they would "
                "be different keys.",
                fix="Read a view that takes a number or a text out of it, or choose another column as `source.key`.",
            )
        if column.folding is not None:
            raise InputError(
                f"Key {column.name} has the collation {column.folding}.",
                why="Under it the database takes different texts for one key; in shards they would be different keys.",
                fix="Read a view or a column with a binary collation: COLLATE utf8mb4_0900_bin on MySQL, "
                'utf8mb4_nopad_bin on MariaDB, BINARY on SQLite, "C" on PostgreSQL; citext is cast to text first.',
            )
    return choose_function(*(how.dtype for how in of_key))


def _plan_value(column: SourceColumn, carried: Carried, source: SourceConfig) -> ColumnPlan:
    conserved = is_conservable(carried.dtype)
    may_be_null = column.nullable and (not conserved or column.name in source.allow_null)
    return _plan(column, carried, conserved=conserved, may_be_null=may_be_null)


def _plan(column: SourceColumn, carried: Carried, *, conserved: bool, may_be_null: bool) -> ColumnPlan:
    return ColumnPlan(
        name=column.name,
        source_type=column.source_type,
        dtype=carried.dtype,
        wire=carried.wire,
        may_be_null=may_be_null,
        conserved=conserved,
        null_meaning=column.null_meaning,
    )
