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
"""What polars adds up in as many bits, and any database in more."""
_QUERIES = frozenset({"SELECT", "WITH"})


def sql_transform(text: str, conserves: Mapping[str, str]) -> Transform:
    """Return the transform of a query.

    Its decimals have 28 digits at most, as sums of more can't be proven, and its whole numbers 64 bits: a value of more
    is an error, never rounded.
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
        tables = {ROWS: pl.LazyFrame(schema=day.schema), **day.tables}
        narrow, planned = _run(text, tables).collect_schema(), _run(text, _widened(tables, day)).collect_schema()
        schema = pl.Schema({name: _returned(dtype, narrow[name]) for name, dtype in planned.items()})
        if missing := [column for column in day.key_columns if column not in schema]:
            raise InputError(
                f"The SQL of process.sql does not return the key {missing[0]}.",
                why=f"It returns {', '.join(schema) or 'no column'}.",
                fix=f"Select {show_key(day.key_columns)} under the same name, and group by it.",
            )
        return Contract(schema=schema, key=day.key, conserves=conserves)

    def apply(rows: pl.LazyFrame, day: Day) -> pl.LazyFrame:
        made = contract(day).schema
        wide = _run(text, _widened({ROWS: rows, **day.tables}, day))
        return wide.select(pl.col(name).cast(dtype) for name, dtype in made.items())

    return Transform(contract=contract, apply=apply)


def _run(text: str, tables: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Plan the query; each has a context of its own, which holds the day's tables and nothing of the process."""
    return pl.SQLContext(tables, register_globals=False).execute(text, eager=False)


def _widened(tables: Mapping[str, pl.LazyFrame], day: Day) -> dict[str, pl.LazyFrame]:
    """Return the tables with 128 bits for whole numbers.

    polars adds up and multiplies in the column's own bits: 2147483647 and 1 would be a negative sum, without a word,
    and so would twice 2^62. What is returned has 64 again, or is an error. The key's columns, which come first, keep
    the type by which shards are chosen.
    """
    wide = {}
    for name, frame in tables.items():
        others = list(frame.collect_schema().items())[len(day.key_columns) :]
        whole = [column for column, dtype in others if dtype.is_integer()]
        wide[name] = frame.with_columns(pl.col(whole).cast(pl.Int128)) if whole else frame
    return wide


def _returned(dtype: pl.DataType, narrow: pl.DataType) -> pl.DataType:
    """Return the type of a column that the query returns; `narrow` is that without wider whole numbers."""
    if isinstance(dtype, pl.Int128):
        return pl.Int64() if narrow in _NARROW else narrow
    if isinstance(dtype, pl.Decimal) and (dtype.precision or 0) > MAX_CONSERVED_DIGITS:
        return pl.Decimal(MAX_CONSERVED_DIGITS, dtype.scale)
    return dtype
