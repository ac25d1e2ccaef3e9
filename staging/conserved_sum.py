"""Reads which sum an output column has to keep.

A column of the leading table (`amount`), or sums and differences of columns of tables that were read at one instant:
`purchases.amount - refunds.amount`. Exact: in minor units of the finest column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from staging.config.with_table import ROWS
from staging.control_sums import MAX_CONSERVED_DIGITS, AnyType, is_conservable, scale_of

Types = Mapping[str, AnyType]
"""Types of columns, by their names: a schema of polars is one."""
_TERM = re.compile(r'\s*([+-]?)\s*(?:(\w+)\s*\.\s*)?(\w+|"[^"]+")(?=\s*(?:[+-]|$))')


@dataclass(frozen=True, slots=True)
class Term:
    """One column's sum, added or taken away.

    `table` is a table beside the leading one by its name, None for the leading one. `sign` is 1 or -1.
    """

    sign: int
    table: str | None
    column: str
    scale: int


@dataclass(frozen=True, slots=True)
class ConservedSum:
    """Sums of columns, added up.

    `scale` is the decimal places of the finest.
    """

    terms: tuple[Term, ...]
    scale: int

    def add_up(self, units_of: Callable[[Term], int]) -> int:
        """Return the sum in minor units.

        `units_of` gives each term's in its own.
        """
        return sum(term.sign * units_of(term) * 10 ** (self.scale - term.scale) for term in self.terms)

    def of_leading(self) -> ConservedSum:
        """Return the terms of the leading table alone.

        Only its rows can be set aside.
        """
        return ConservedSum(tuple(term for term in self.terms if term.table is None), self.scale)


def read_sum(text: str, leading: Types, tables: Mapping[str, Types], *, leading_name: str) -> ConservedSum:
    """Return what the text says.

    ValueError where it says nothing, or names a column that is not there or has no exact sum. A text that is a column
    of the leading table is that column, whatever signs are in it.
    """
    if text in leading:
        return _check((_Named(1, None, text),), leading, tables)
    named: list[_Named] = []
    position = 0
    while position < len(text):
        match = _TERM.match(text, position)
        if match is None or (named and not match[1]):
            raise ValueError(
                f"{text!r} is neither a column nor a sum of columns such as {ROWS}.amount - refunds.amount"
            )
        table, column = match[2], match[3].strip('"')
        if table not in (None, ROWS, leading_name) and table not in tables:
            known = ", ".join([leading_name or ROWS, *tables])
            raise ValueError(f"there is no table {table!r}; the tables are {known}")
        of_leading = table is None or table not in tables
        named.append(_Named(-1 if match[1] == "-" else 1, None if of_leading else table, column))
        position = match.end()
        if not text[position:].strip():
            break
    if not named:
        raise ValueError(f"{text!r} names no column")
    return _check(tuple(named), leading, tables)


@dataclass(frozen=True, slots=True)
class _Named:
    sign: int
    table: str | None
    column: str


def _check(named: tuple[_Named, ...], leading: Types, tables: Mapping[str, Types]) -> ConservedSum:
    terms = []
    for each in named:
        schema, which = (leading, "shards") if each.table is None else (tables[each.table], f"rows of {each.table}")
        if each.column not in schema:
            raise ValueError(f"the {which} have no column {each.column!r}")
        dtype = schema[each.column]
        if not is_conservable(dtype):
            raise ValueError(
                f"{each.column} of type {dtype} has no exact sum"
                f" (integers have, and decimals of {MAX_CONSERVED_DIGITS} digits at most)"
            )
        terms.append(Term(each.sign, each.table, each.column, scale_of(dtype)))
    return ConservedSum(tuple(terms), max(term.scale for term in terms))
