"""Turns Python rows of any driver into frames.

The slow path, exact all the same. Values become polars' in the type in which a column travels, strictly; a value of
another type is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from exporter.port.source import Carried, Statement, Wire
from staging.errors import InputError
from staging.polars_errors import POLARS_ERRORS

BATCH_ROWS = 20_000


def wire_types(statement: Statement) -> list[pl.DataType]:
    """Return the polars types in which the statement's columns travel."""
    return [
        _time_type(statement) if statement.has_time and i == statement.time_index else _wire_type(carried)
        for i, carried in enumerate(statement.select)
    ]


def frames_of(batches: Iterable[Sequence[Sequence[Any]]], statement: Statement) -> Iterator[pl.DataFrame]:
    """Yield each batch of rows as a frame of c0, c1 ….

    InputError for a value of another type than its column's.
    """
    types = wire_types(statement)
    for rows in batches:
        columns = list(zip(*rows, strict=True))
        yield pl.DataFrame([_series(i, values, types[i]) for i, values in enumerate(columns)])


def _series(index: int, values: Sequence[Any], dtype: pl.DataType) -> pl.Series:
    if dtype == pl.String():
        # Decimals go on as text, without an exponent: polars would round them into their column's scale.
        values = [f"{value:f}" if isinstance(value, Decimal) else value for value in values]
    try:
        return pl.Series(f"c{index}", values, dtype=dtype, strict=not dtype.is_temporal())
    except (TypeError, OverflowError, *POLARS_ERRORS) as exc:
        kinds = sorted({type(value).__name__ for value in values})
        raise InputError(
            f"Column {index + 1} of the statement holds values of the types {', '.join(kinds)}.",
            why=f"Its declared type travels as {dtype}: {exc}",
            fix="Read a view that casts it to the type it is meant to have. Nothing was exported.",
        ) from exc


def _wire_type(carried: Carried) -> pl.DataType:
    if carried.wire is Wire.BOOLEAN_INTEGER:
        return pl.Int64()
    if carried.wire is not Wire.NATIVE:
        return pl.String()
    return carried.dtype


def _time_type(statement: Statement) -> pl.DataType:
    match statement.low:
        case datetime(tzinfo=None):
            return pl.Datetime("us")
        case datetime():
            return pl.Datetime("us", "UTC")
        case date():
            return pl.Date()
        case int():
            return pl.Int64()
        case _:
            return pl.String()
