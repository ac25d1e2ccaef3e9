"""Checks that a table has its last export's columns.

Judged before a row is read. A carried column of another type, or one that may now be NULL, changes what transforms and
readers of old days get, so it is refused until somebody says that it is meant. A column that becomes NOT NULL hurts
nobody. Columns that the pipeline does not name don't matter, unless `export.schema_changes = "refuse"`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice

from exporter.port.question import DayQuestion, PlannedRead
from staging.documents.exports import find_current_manifest
from staging.documents.manifest import Column, Manifest
from staging.errors import InputError
from staging.names import DayNames
from staging.store import Store
from staging.window import load_zone, span_of, windows_before

LOOK_BACK_DAYS = 7
_LENGTHS = re.compile(r"\s*\([^)]*\)")


def find_contract(store: Store, question: DayQuestion) -> Manifest | None:
    """Return the manifest of the last export, or None.

    It is of this day (hour) or of up to seven before it. None where there is none, or where nothing is compared. By
    names, never by listing.
    """
    if question.pipeline.export.schema_changes == "accept_all":
        return None
    day = question.names.day
    before = windows_before(day, span_of(day), load_zone(question.pipeline.source.timezone))
    for each in (day, *islice(before, LOOK_BACK_DAYS)):
        names = DayNames(question.names.pipeline, each)
        if (manifest := find_current_manifest(store, names)) is not None:  # else none was read, or it was cleaned up
            return manifest
    return None


def find_table_contract(contract: Manifest | None, name: str) -> Contract | None:
    """Return what the last export had of another table."""
    for table in contract.tables if contract is not None else ():
        if table.name == name and contract is not None:
            return Contract(contract.day, table.columns, contract.source.dialect, table.table_columns)
    return None


def check_drift(contract: Manifest | Contract | None, question: DayQuestion, read: PlannedRead, dialect: str) -> None:
    """Raise InputError where the columns have changed.

    It says what was, what is, and how to accept it.
    """
    if isinstance(contract, Manifest):
        source = contract.source
        contract = Contract(contract.day, contract.columns, source.dialect, source.table_columns)
    if contract is None:
        return
    is_strict = question.pipeline.export.schema_changes == "refuse"
    allowed = question.pipeline.source.allow_null
    changes = [*_carried(contract, read, dialect, allowed), *(_others(contract, read) if is_strict else ())]
    if changes:
        # The smallest setting that accepts them: a column that nobody carries needs only the default.
        least = "accept_all" if any(change.is_carried for change in changes) else "accept_new_columns"
        raise InputError(
            f"{question.pipeline.source.place} has other columns than when {contract.day} was read.",
            why="; ".join(change.text for change in changes) + ".",
            fix="If that is meant, accept it once; the days after are compared with this one: "
            f"--set export.schema_changes={least}",
        )


@dataclass(frozen=True, slots=True)
class Contract:
    """What the last export, of that day, had of a table.

    `table_columns` are all of them, empty where it does not say.
    """

    day: date
    columns: tuple[Column, ...]
    dialect: str
    table_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Change:
    text: str
    is_carried: bool


def _carried(contract: Contract, read: PlannedRead, dialect: str, allowed_null: Collection[str]) -> Iterator[_Change]:
    before = {column.name: column for column in contract.columns}
    for column in (plan.describe() for plan in read.plan.columns):
        # A column that the pipeline now names, or whose NULLs it now allows, is the operator's own change.
        old = before.get(column.name)
        if old is not None and (text := _difference(old, column, may_loosen=column.name in allowed_null)):
            yield _Change(text, is_carried=True)
    if read.plan.kind is None:
        return
    time = read.plan.time.describe()
    old_time = before.get(time.name)
    if old_time and contract.dialect == dialect and _kind(old_time) != _kind(time):
        was, now = old_time.source_type, time.source_type
        yield _Change(f"{time.name} was {was} and is {now}, which may mean other instants", is_carried=True)


def _difference(old: Column, new: Column, *, may_loosen: bool) -> str:
    if old.dtype != new.dtype:
        was, now = (f"{column.source_type} ({column.dtype})" for column in (old, new))
        return f"{new.name} was {was} and is {now}"
    is_looser = new.nullable and not old.nullable and not may_loosen
    return f"{new.name} was never NULL and may be now" if is_looser else ""


def _kind(time: Column) -> str:
    """Return the type without its number of digits, which changes no instant."""
    return _LENGTHS.sub("", time.source_type).lower()


def _others(contract: Contract, read: PlannedRead) -> Iterator[_Change]:
    before, now = contract.table_columns, read.table_columns
    if not before:  # the manifest of an older version does not say
        return
    new, gone = sorted(set(now) - set(before)), sorted(set(before) - set(now))
    for names, what in ((new, "is new"), (gone, "is gone")):
        for name in names:
            yield _Change(f"{name} {what}", is_carried=False)
