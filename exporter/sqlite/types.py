"""Decides how each column of SQLite is carried.

By its declared type, as any value may lie in any column. Values that are not stored as declared are looked for before
the read (`sqlite.py`), so the SQL here meets only storage classes that are allowed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from exporter.port.exact_types import plan_decimal
from exporter.port.source import Carried, TimeKind, Wire

_DECLARED = re.compile(r"\s*([A-Za-z_ ]*)(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)[A-Za-z_ ]*)?")

# The shortest decimal text of a binary number that reads back as the same: 15 digits always survive, 17 always suffice
# (Steele & White 1990). More digits than the column declares are refused when the text is decoded.
_REAL_AS_TEXT = (
    "CASE WHEN CAST(printf('%!.15g', {q}) AS REAL) = {q} THEN printf('%!.15g', {q}) "
    "WHEN CAST(printf('%!.16g', {q}) AS REAL) = {q} THEN printf('%!.16g', {q}) ELSE printf('%!.17g', {q}) END"
)


@dataclass(frozen=True, slots=True)
class Declared:
    """What a declared type means.

    How it is carried and which storage classes may lie in it.
    """

    carried: Carried | None
    refusal: str = ""
    storage: tuple[str, ...] = ()
    time: TimeKind | None = None


def read_declared(declared: str, quoted: str) -> Declared:  # noqa: C901, PLR0911 - one line per kind of type
    """Return what the declared type means.

    Its name is read as SQLite itself does: by what it contains.
    """
    match = _DECLARED.fullmatch(declared)
    if match is None:
        return Declared(None, "Its declared type is none that Penstock knows")
    name = match[1].upper()
    if name.startswith(("DECIMAL", "NUMERIC", "NUMBER")):
        dtype, why = plan_decimal(int(match[2]) if match[2] else None, int(match[3]) if match[3] else None)
        text = (
            f"CASE typeof({quoted}) WHEN 'real' THEN {_REAL_AS_TEXT.format(q=quoted)} ELSE CAST({quoted} AS TEXT) END"
        )
        carried = Carried(dtype, Wire.DECIMAL_TEXT, text) if dtype else None
        return Declared(carried, why, ("integer", "real", "text"))
    if "BOOL" in name:
        return Declared(Carried(pl.Boolean(), Wire.BOOLEAN_INTEGER, quoted), storage=("integer",))
    if "INT" in name:
        carried = Carried(pl.Int64(), Wire.NATIVE, quoted)
        return Declared(carried, storage=("integer",), time=TimeKind.UNIX_SECONDS)
    if name.startswith(("DATETIME", "TIMESTAMP")):
        carried = Carried(pl.Datetime("us"), Wire.DATETIME_TEXT, quoted)
        return Declared(carried, storage=("text",), time=TimeKind.ISO_TEXT)
    if name.startswith("DATE"):
        return Declared(Carried(pl.Date(), Wire.DATE_TEXT, quoted), storage=("text",), time=TimeKind.DATE)
    if name.startswith("TIME"):
        return Declared(Carried(pl.Time(), Wire.TIME_TEXT, quoted), storage=("text",))
    if any(kind in name for kind in ("CHAR", "CLOB", "TEXT", "UUID", "JSON", "ENUM")):
        return Declared(Carried(pl.String(), Wire.NATIVE, quoted), storage=("text",), time=TimeKind.ISO_TEXT)
    if "BLOB" in name:
        return Declared(Carried(pl.Binary(), Wire.NATIVE, quoted), storage=("blob",))
    if any(kind in name for kind in ("REAL", "FLOA", "DOUB")):
        return Declared(Carried(pl.Float64(), Wire.NATIVE, quoted), storage=("real",))
    return Declared(None, "Its declared type is none that Penstock knows, and SQLite itself keeps to none")
