"""Decides how each PostgreSQL type is carried.

The shard's type, and the SQL that selects it without loss.
"""

from __future__ import annotations

import polars as pl
from sqlalchemy import types as sql
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.types import TypeEngine

from exporter.port.catalogue import ReflectedColumn
from exporter.port.exact_types import SIGNED, plan_decimal
from exporter.port.source import JSON, Carried, TimeKind, Wire
from exporter.port.time_column import INSTANT

_AS_TEXT = (sql.Uuid, sql.Enum, sql.JSON, pg.CITEXT, sql.CHAR)
_REFUSED = {
    pg.MONEY: "What its text means depends on the server's locale; cast it to numeric",
    pg.INTERVAL: "A month has no fixed length; cast it to what you mean, such as extract(epoch FROM …)::bigint",
    pg.ARRAY: "Shards have no lists; cast it to text or to jsonb",
    pg.OID: "It is a number of PostgreSQL's own; cast it to bigint",
}


def base_type(type_: TypeEngine[object]) -> TypeEngine[object]:
    """Return what a domain is made of, or the type itself."""
    while isinstance(type_, pg.DOMAIN):
        type_ = type_.data_type
    return type_


def type_folding(type_: TypeEngine[object]) -> str | None:
    """Return what makes different texts of a type equal, or None."""
    base = base_type(type_)
    if isinstance(base, sql.JSON):
        return JSON
    return "citext" if isinstance(base, pg.CITEXT) else None


def numeric_digits(typmod: int) -> tuple[int | None, int | None]:
    """Return precision and scale of a numeric's type modifier.

    numeric.c: precision << 16 | scale, + 4.
    """
    if typmod < 4:  # noqa: PLR2004 - VARHDRSZ; -1 means none was declared
        return None, None
    scale = (typmod - 4) & 0x7FF
    return (typmod - 4) >> 16, scale - 0x800 if scale & 0x400 else scale


def plan_carried(column: ReflectedColumn, *, typmod: int, has_encoding: bool) -> tuple[Carried | None, str]:  # noqa: PLR0911 - one line per kind of type
    """Return how the column is carried, or None and why not.

    `typmod` is the column's or its domain's; `has_encoding`: the server knows what its bytes mean.
    """
    type_ = base_type(column.type)
    as_text = f"{column.quoted}::text"
    for refused, why in _REFUSED.items():
        if isinstance(type_, refused):
            return None, why
    if isinstance(type_, sql.Float):
        dtype: pl.DataType = pl.Float32() if isinstance(type_, sql.REAL) else pl.Float64()
        return Carried(dtype, Wire.NATIVE, column.quoted), ""
    if isinstance(type_, sql.Numeric):
        decimal, why = plan_decimal(*numeric_digits(typmod))
        return (Carried(decimal, Wire.TYPED_DECIMAL_TEXT, as_text), "") if decimal else (None, why)
    if isinstance(type_, sql.Time):
        why = "A time of day with a zone but no date is no instant; cast it to time"
        return (None, why) if type_.timezone else (Carried(pl.Time(), Wire.TIME_TEXT, as_text), "")
    if isinstance(type_, (sql.String, *_AS_TEXT)) and not has_encoding:
        return None, "The database's encoding is SQL_ASCII, which does not say what its bytes mean; cast it to bytea"
    if isinstance(type_, _AS_TEXT):
        return Carried(pl.String(), Wire.NATIVE, as_text, _spelled_as(type_)), ""
    dtype_of = _native(type_)
    if dtype_of is None:
        return None, "PostgreSQL's type has no exact counterpart in Parquet that Penstock knows"
    return Carried(dtype_of, Wire.NATIVE, column.quoted), ""


def _spelled_as(type_: TypeEngine[object]) -> str:
    """PostgreSQL compares an ENUM only with its own type, whatever its text is."""
    if isinstance(type_, sql.Uuid):
        return "uuid"
    return f"enum {type_.schema or ''}.{type_.name}" if isinstance(type_, sql.Enum) else ""


def _native(type_: TypeEngine[object]) -> pl.DataType | None:
    if isinstance(type_, sql.Integer):
        return SIGNED[16 if isinstance(type_, sql.SmallInteger) else 64 if isinstance(type_, sql.BigInteger) else 32]
    if isinstance(type_, sql.DateTime):
        return INSTANT if type_.timezone else pl.Datetime("us")
    pairs: list[tuple[type, pl.DataType]] = [
        (sql.Boolean, pl.Boolean()),
        (sql.Date, pl.Date()),
        (sql.LargeBinary, pl.Binary()),
        (sql.String, pl.String()),
    ]
    return next((dtype for kind, dtype in pairs if isinstance(type_, kind)), None)


def time_kind(column: ReflectedColumn) -> TimeKind | None:
    """Return what the column means as the time column.

    None where it can't be one.
    """
    type_ = base_type(column.type)
    if isinstance(type_, sql.DateTime):
        return TimeKind.INSTANT if type_.timezone else TimeKind.NAIVE
    return TimeKind.DATE if isinstance(type_, sql.Date) else None
