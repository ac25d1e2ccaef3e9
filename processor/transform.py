"""The user's interface: a transform over one shard.

It is a function, and a declaration of what it promises.

A pipeline names it as `package.module:attribute`::

    def contract(day: Day) -> Contract: ...
    def apply(rows: pl.LazyFrame, day: Day) -> pl.LazyFrame | Split: ...

    revenue_per_user = Transform(contract=contract, apply=apply)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

import polars as pl

from processor.beside.tables import Tables
from staging.conserved_sum import ConservedSum, read_sum
from staging.key import Key, key_columns
from staging.window import Window


@dataclass(frozen=True, slots=True)
class Day:
    """What a transform may need to know.

    `schema` is the shard's: the key's, time, then `columns`, in this order. `key` is as the pipeline file says it: a
    name, or a tuple of names. `key_columns` is always a tuple.

    `table` is the leading table's name. `tables` are the others that were read at the same instant, by the names that
    the pipeline file gives them: `day.tables["refunds"]` is a LazyFrame of the rows of the shard's own keys, so a join
    by the key is exact. Where a contract is asked for they have no rows.
    """

    day: date
    timezone: str
    window: Window
    pipeline: str
    key: Key
    time: str
    columns: tuple[str, ...]
    schema: pl.Schema
    table: str = ""
    table_schemas: Mapping[str, pl.Schema] = field(default_factory=dict)
    tables: Mapping[str, pl.LazyFrame] = field(default_factory=Tables, compare=False)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The names of the key's columns, in its order."""
        return key_columns(self.key)

    def conserved_sum(self, source: str) -> ConservedSum:
        """Return what a contract's text conserves; ValueError where that can't be."""
        return read_sum(source, self.schema, self.table_schemas, leading_name=self.table)

    def with_tables(self, tables: Mapping[str, pl.LazyFrame]) -> Day:
        """Return the day with rows of the tables."""
        return replace(self, tables=tables)


Merge = Literal["sum", "min", "max"]


@dataclass(frozen=True, slots=True)
class Contract:
    """What a transform promises, checked on every shard.

    `schema` is the output's, in order. `key` is the output column that holds the shard's key, or a tuple of those that
    do, in the same order: unique together, and none NULL.
    `conserves` maps an output column to the input column whose sum it must keep, to the last unit; empty means that
    the run is reported as not conserved. Where there are several tables it may be a sum of columns of them:
    `"purchases.amount - refunds.amount"`; a column without a table is the leading one's.

    `merge` declares the output *partial*: rows of one key come from several shards, and the loader makes one row of
    them, column by column as `merge` says. The key may be any columns then. What is conserved is merged by `sum`.
    """

    schema: pl.Schema
    key: Key
    conserves: Mapping[str, str] = field(default_factory=dict)
    merge: Mapping[str, Merge] = field(default_factory=dict)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The names of the key's columns, in its order."""
        return key_columns(self.key)


@dataclass(frozen=True, slots=True)
class Split:
    """Output rows, and input rows set aside.

    `quarantine` has the shard's columns plus `reason` (String, not NULL).
    """

    rows: pl.LazyFrame
    quarantine: pl.LazyFrame


@dataclass(frozen=True, slots=True)
class Transform:
    """A declaration and a function.

    Both must be deterministic: two attempts must write the same bytes. `apply` only plans: it is called before the
    shard is there, and more than once.
    """

    contract: Callable[[Day], Contract]
    apply: Callable[[pl.LazyFrame, Day], pl.LazyFrame | Split]
