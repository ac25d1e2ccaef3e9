"""Writes exact sums of columns in each dialect's SQL.

As text or integer, so that no driver makes a float of it.
"""

from __future__ import annotations

import re
from decimal import Decimal

from exporter.port.columns import ColumnPlan
from exporter.port.source import SourceColumn
from staging.control_sums import parse_money, scale_of

_EXACT_REAL = 10**15
"""Up to this many units of the last place, a REAL of SQLite is nearest to the exact value."""
_HALF = 10**9
"""SQLite adds up in 64 bits and gives an error beyond: so the parts above and below this are summed apart."""
_HALVES = re.compile(r"(-?[0-9]+)\+(-?[0-9]+)")


def sum_sql(column: ColumnPlan, source: SourceColumn, dialect: str) -> str:
    """Return the SQL of a column's exact sum.

    It gives NULL where the database can't.
    """
    match dialect:
        case "postgresql":
            return f"sum({source.quoted})::text"
        case "mysql" | "mariadb":
            return f"CAST(SUM({source.quoted}) AS CHAR)"
        case "sqlite" if scale := scale_of(column.dtype):
            # What is declared decimal may lie there as text or as a binary number: summed in units of the last place.
            units = f"{source.quoted} * 1{'0' * scale}"
            whole = _halves_sql(f"CAST(round({units}) AS INTEGER)")
            return f"CASE WHEN max(abs({units})) < {_EXACT_REAL} THEN {whole} || 'e-{scale}' END"
        case "sqlite":
            # What is declared a number may be a text or a binary number there.
            are_whole = f"count({source.quoted}) = sum(typeof({source.quoted}) = 'integer')"
            return f"CASE WHEN {are_whole} THEN {_halves_sql(source.quoted)} END"
    return f"SUM({source.quoted})"


def _halves_sql(whole: str) -> str:
    return f"sum({whole} / {_HALF}) || '+' || sum({whole} % {_HALF})"


def read_sum(value: object, column: ColumnPlan, rows: int) -> int | None:
    """Return a sum in units of the last place.

    None where it is not exactly known.
    """
    if value is None:
        return None if rows else 0
    if isinstance(value, float):
        return None
    text, places = str(value), scale_of(column.dtype)
    if halves := _HALVES.match(text):
        text = f"{int(halves[1]) * _HALF + int(halves[2])}{text[halves.end() :]}"
    try:
        return parse_money(text, places)
    except (ValueError, ArithmeticError):  # more places than the column had: NaN, or it is another type now
        return None


def format_sum(units: int, column: ColumnPlan) -> str:
    """Return a sum as the manifest has it."""
    return f"{Decimal(units).scaleb(-scale_of(column.dtype)):f}"
