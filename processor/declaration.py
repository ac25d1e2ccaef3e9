"""Checks what a transform promises, and whether it can.

This is done before any shard is fetched.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from processor.transform import Contract, Day, Transform
from processor.user_code import user_code
from staging.control_sums import MAX_CONSERVED_DIGITS, is_conservable
from staging.dtypes import format_dtype
from staging.errors import InputError
from staging.key import show_key


def read_contract(transform: Transform, day: Day, *, name: str) -> Contract:
    """Ask the transform for its contract.

    InputError names everything in it that can't hold.
    """
    with user_code(name, "raised in its contract"):
        contract = transform.contract(day)
    if not isinstance(contract, Contract):
        raise InputError(
            f"The contract of the transform {name} is of type {type(contract).__name__}.",
            fix="Return a processor.transform.Contract.",
        )
    if fault := _key_fault(contract):
        raise InputError(f"The contract of the transform {name} can't hold: {fault}.", fix="Correct the contract.")
    if faults := [*_shape(contract, day), *_sums(contract, day), *_merges(contract)]:
        raise InputError(
            f"The contract of the transform {name} can't hold: {'; '.join(faults)}.",
            why=f"The shards have {format_schema(day.schema)}, their key is {show_key(day.key_columns)}.",
            fix="Correct the contract.",
        )
    return contract


def _key_fault(contract: Contract) -> str:
    """Return what is wrong with the key itself, apart from the columns: a user's module may hold anything."""
    key: object = contract.key
    names = [key] if isinstance(key, str) else list(key) if isinstance(key, tuple | list) else []
    if not names or not all(isinstance(name, str) for name in names):
        return f"its key {key!r} is neither a column's name nor a tuple of names"
    return f"its key {key!r} names a column twice" if len(set(names)) < len(names) else ""


def format_schema(schema: pl.Schema) -> str:
    """Return the schema as text: `user_id Int64, amount Decimal(12, 2)`.

    It also writes types that shards don't have.
    """
    return ", ".join(f"{name} {_text(dtype)}" for name, dtype in schema.items()) or "no column"


def _text(dtype: pl.DataType) -> str:
    try:
        return format_dtype(dtype)
    except TypeError:
        return str(dtype)


def _shape(contract: Contract, day: Day) -> Iterator[str]:
    for column, dtype in contract.schema.items():
        try:
            format_dtype(dtype)
        except TypeError:
            yield f"{column} has type {dtype}, which a part can't carry"
    key = contract.key_columns
    if missing := [column for column in key if column not in contract.schema]:
        yield from (f"its key {column!r} is not in its schema" for column in missing)
    elif not contract.merge:
        yield from _unlike_the_shards(contract, day)


def _unlike_the_shards(contract: Contract, day: Day) -> Iterator[str]:
    if len(contract.key_columns) != len(day.key_columns):
        yield f"its key is {show_key(contract.key_columns)}, the shards' key {show_key(day.key_columns)}"
        return
    for column, of_shards in zip(contract.key_columns, day.key_columns, strict=True):
        if contract.schema[column] != day.schema[of_shards]:
            yield f"its key {column} has type {contract.schema[column]}, the shards' key {day.schema[of_shards]}"


def _sums(contract: Contract, day: Day) -> Iterator[str]:
    for output, source in contract.conserves.items():
        schema = contract.schema
        if output not in schema:
            yield f"it conserves {output} = {source}, but the output have no column {output!r}"
        elif not is_conservable(schema[output]):
            yield (
                f"it conserves {output} of type {_text(schema[output])}, which has no exact sum"
                f" (integers have, and decimals of {MAX_CONSERVED_DIGITS} digits at most)"
            )
        try:
            day.conserved_sum(source)
        except ValueError as error:
            yield f"it conserves {output} = {source}, but {error}"


def _merges(contract: Contract) -> Iterator[str]:
    if not contract.merge:
        return
    for column, dtype in contract.schema.items():
        if column not in contract.key_columns:
            yield from _merge(column, dtype, contract.merge.get(column))
    for column in contract.key_columns:
        if column in contract.merge:
            yield f"it merges its key {column}"
        if column in contract.schema and contract.schema[column].is_float():
            yield f"its key {column} is a floating-point number, which can't be compared exactly"
    for column in contract.merge.keys() - contract.schema.keys():
        yield f"it merges {column!r}, which is not in its schema"
    for output in contract.conserves:
        if contract.merge.get(output, "sum") != "sum":
            yield f"it conserves {output}, and merges it by {contract.merge[output]} instead of sum"


def _merge(column: str, dtype: pl.DataType, how: str | None) -> Iterator[str]:
    if how is None:
        yield f"it is partial, and does not say how {column} is merged"
    elif how not in ("sum", "min", "max"):
        yield f"it merges {column} by {how!r}, which is neither sum, min nor max"
    elif how == "sum" and not is_conservable(dtype):
        yield f"it sums {column} of type {_text(dtype)}, which has no exact sum"
    elif how != "sum" and not (dtype.is_decimal() or dtype.is_integer() or dtype.is_temporal()):
        yield f"it takes the {how} of {column} of type {_text(dtype)}; integers, decimals, dates and times have one"
