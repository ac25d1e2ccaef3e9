"""A key: the columns whose values together decide the shard.

A part has one row of each key. Code holds a tuple of names. Documents and the pipeline file spell a key of one column
as a text, one of several as a list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

Key = str | tuple[str, ...]


def check_distinct(key: Key) -> Key:
    """Return the key; ValueError names a column that comes twice."""
    columns = key_columns(key)
    if twice := sorted({column for column in columns if columns.count(column) > 1}):
        raise ValueError(f"names {', '.join(twice)} more than once")
    return key


DocumentKey = Annotated[str | Annotated[tuple[str, ...], Field(min_length=2)], AfterValidator(check_distinct)]
"""A key in a document: one way to spell each."""


def key_columns(key: Key) -> tuple[str, ...]:
    """Return the names of the key's columns, in its order."""
    return (key,) if isinstance(key, str) else tuple(key)


def spell_key(columns: Sequence[str]) -> Key:
    """Return the key as documents spell it."""
    return columns[0] if len(columns) == 1 else tuple(columns)


def show_key(columns: Sequence[str]) -> str:
    """Return the columns' names as a sentence has them."""
    return ", ".join(columns)


def show_row(columns: Sequence[str], values: Sequence[object]) -> str:
    """Return which row is meant: `shop_id is 3 and user_id is 'x'`."""
    return " and ".join(f"{column} is {value!r}" for column, value in zip(columns, values, strict=True))
