"""Makes a transform of a SQL text.

For those who write no Python. It is polars' own SQL over the table `rows`, which is the shard, and those that were read
beside it, by their names: https://docs.pola.rs/api/python/stable/reference/sql/.
The contract follows from it: its columns with their types, the shard's key, and what `process.conserves` names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import polars as pl

from processor.transform import Contract, Day, Transform
from staging.config.with_table import ROWS
from staging.control_sums import MAX_CONSERVED_DIGITS
from staging.errors import InputError
from staging.key import show_key

_LEAD = re.compile(r"(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*(\w*)", re.DOTALL)
"""White space and comments, then the first word."""
_NARROW = (pl.Int32, pl.UInt32)
_QUERIES = frozenset({"SELECT", "WITH"})


def sql_transform(text: str, conserves: Mapping[str, str]) -> Transform:
    """Return the transform of a query.

    Its decimals have 28 digits at most, as sums of more can't be proven: a value of more is an error, never rounded.
    InputError where the text is no query.
    """
    lead = _LEAD.match(text)
    if lead is None or lead[1].upper() not in _QUERIES:
        raise InputError(
            "The SQL of process.sql is no query.",
            why="It begins with neither SELECT nor WITH.",
            fix=f"Write one query over the table {ROWS}; nothing else can be a transform.",
        )

    def contract(day: Day) -> Contract:
        planned = _run(text, pl.LazyFrame(schema=day.schema), day).collect_schema()
        schema = pl.Schema({name: _provable(dtype) for name, dtype in planned.items()})
        if missing := [column for column in day.key_columns if column not in schema]:
            raise InputError(
                f"The SQL of process.sql does not return the key {missing[0]}.",
                why=f"It returns {', '.join(schema) or 'no column'}.",
                fix=f"Select {show_key(day.key_columns)} under the same name, and group by it.",
            )
        return Contract(schema=schema, key=day.key, conserves=conserves)

    def apply(rows: pl.LazyFrame, day: Day) -> pl.LazyFrame:
        made = contract(day).schema
        return _run(text, rows, day).select(pl.col(name).cast(dtype) for name, dtype in made.items())

    return Transform(contract=contract, apply=apply)


def _run(text: str, rows: pl.LazyFrame, day: Day) -> pl.LazyFrame:
    """Plan the query; each has a context of its own, which holds the day's tables and nothing of the process."""
    tables = {ROWS: rows, **day.tables}
    wide = {name: _widened(frame, keys=len(day.key_columns)) for name, frame in tables.items()}
    return pl.SQLContext(wide, register_globals=False).execute(text, eager=False)


def _widened(frame: pl.LazyFrame, *, keys: int) -> pl.LazyFrame:
    """Return the table with 64 bits for whole numbers of 32, as in any database's SUM.

    polars adds up 32 bits in 32: 2147483647 and 1 would be a negative sum, without a word. The key's columns, which
    stand first, keep the type that shards are chosen by.
    """
    narrow = [name for name, dtype in list(frame.collect_schema().items())[keys:] if dtype in _NARROW]
    return frame.with_columns(pl.col(narrow).cast(pl.Int64)) if narrow else frame


def _provable(dtype: pl.DataType) -> pl.DataType:
    if isinstance(dtype, pl.Decimal) and (dtype.precision or 0) > MAX_CONSERVED_DIGITS:
        return pl.Decimal(MAX_CONSERVED_DIGITS, dtype.scale)
    return dtype
