"""Decides how each MySQL and MariaDB type is carried.

The shard's type, and the SQL that selects it without loss.
"""

from __future__ import annotations

import polars as pl
from sqlalchemy import types as sql
from sqlalchemy.dialects import mysql

from exporter.port.catalogue import ReflectedColumn
from exporter.port.exact_types import SIGNED, UNSIGNED, plan_decimal
from exporter.port.source import Carried, TimeKind, Wire
from exporter.port.time_column import INSTANT

_INTEGER_BITS = {mysql.TINYINT: 8, mysql.SMALLINT: 16, mysql.MEDIUMINT: 32, mysql.INTEGER: 32, mysql.BIGINT: 64}


def plan_carried(column: ReflectedColumn) -> tuple[Carried | None, str]:  # noqa: C901, PLR0911 - one line per kind of type
    """Return how the column is carried, or None and why not."""
    type_, q = column.type, column.quoted
    if isinstance(type_, mysql.BIT):
        return Carried(pl.UInt64(), Wire.NATIVE, f"{q} + 0"), ""
    if isinstance(type_, mysql.YEAR):
        return Carried(pl.Int16(), Wire.NATIVE, q), ""
    if isinstance(type_, sql.Integer):
        return _integer(type_, q), ""
    if isinstance(type_, (sql.Float, sql.Double)):
        single = isinstance(type_, mysql.FLOAT) and (type_.precision or 0) <= 24  # noqa: PLR2004 - FLOAT(25) is a DOUBLE
        # The server writes a FLOAT with six digits, but one cast to DOUBLE with all of them.
        return Carried(*((pl.Float32(), Wire.NATIVE, f"({q} + 0e0)") if single else (pl.Float64(), Wire.NATIVE, q))), ""
    if isinstance(type_, sql.Numeric):
        dtype, why = plan_decimal(type_.precision, type_.scale)
        return (Carried(dtype, Wire.TYPED_DECIMAL_TEXT, q), "") if dtype else (None, why)
    if isinstance(type_, sql.DateTime):
        return Carried(_instant_or_naive(type_), Wire.DATETIME_TEXT, q), ""
    if isinstance(type_, sql.Date):
        return Carried(pl.Date(), Wire.DATE_TEXT, q), ""
    if isinstance(type_, sql.Time):
        return Carried(pl.Time(), Wire.TIME_TEXT, q), ""
    if isinstance(type_, sql.Uuid):  # the catalogue calls INET4 and INET6 so, too
        return Carried(pl.String(), Wire.NATIVE, f"CAST({q} AS CHAR(64))", column.source_type.lower()), ""
    if isinstance(type_, (sql.String, sql.Enum, sql.JSON)):
        return Carried(pl.String(), Wire.NATIVE, q), ""
    if isinstance(type_, sql._Binary):  # the only common parent of BINARY, VARBINARY and BLOBs
        return Carried(pl.Binary(), Wire.NATIVE, q), ""
    return None, "The type has no exact counterpart in Parquet that Penstock knows"


def _integer(type_: sql.Integer, quoted: str) -> Carried:
    bits = next(bits for kind, bits in _INTEGER_BITS.items() if isinstance(type_, kind))
    return Carried((UNSIGNED if getattr(type_, "unsigned", False) else SIGNED)[bits], Wire.NATIVE, quoted)


def _instant_or_naive(type_: sql.DateTime) -> pl.DataType:
    return INSTANT if isinstance(type_, mysql.TIMESTAMP) else pl.Datetime("us")


def time_kind(column: ReflectedColumn) -> TimeKind | None:
    """Return what the column means as the time column.

    TIMESTAMP is stored in UTC; DATETIME is a wall clock.
    """
    if isinstance(column.type, sql.DateTime):
        return TimeKind.INSTANT if isinstance(column.type, mysql.TIMESTAMP) else TimeKind.NAIVE
    if isinstance(column.type, sql.Date):
        return TimeKind.DATE
    return TimeKind.UNIX_SECONDS if isinstance(column.type, sql.Integer) else None


def folding(collation: str | None) -> str | None:
    """Return the collation if it may equate different texts.

    None for one that compares them as they are.

    Only `binary` and those named `…_bin` do. One that is sensitive to accents and case (`…_as_cs`) still takes an
    accent of its own for the letter that has it, and overlooks what nobody sees, such as U+200D:
    https://dev.mysql.com/doc/refman/8.0/en/charset-collation-names.html
    """
    return None if collation is None or collation == "binary" or collation.endswith("_bin") else collation
