"""Makes a day what is staged by the smallest change.

The change is counted, or made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from loader.target.database import Database
from loader.target.sql import Staged


@dataclass(frozen=True, slots=True)
class Change:
    """Rows inserted, updated, deleted."""

    inserted: int
    updated: int
    deleted: int

    def __bool__(self) -> bool:
        """Return whether anything changes."""
        return bool(self.inserted or self.updated or self.deleted)


def count_difference(
    database: Database, staged: Staged, day: date, *, staged_rows: int, target_rows: int, lock: str = ""
) -> Change:
    """Return what `apply_difference` would change; writes nothing.

    `target_rows` is how many rows the day has in the target, `staged_rows` how many are staged; `lock` makes it a
    locking read, where the database has one.
    """
    if target_rows == 0:
        return Change(staged_rows, 0, 0)
    ((matched, differing),) = database.query(database.sql.count_matched(staged, day) + lock)
    return Change(staged_rows - int(matched), int(differing), target_rows - int(matched))


def apply_difference(database: Database, staged: Staged, day: date, planned: Change, *, target_rows: int) -> Change:
    """Delete what vanished, update what differs, insert what is new.

    Any bit counts as a difference; rows that are equal stay untouched. Where the target has a second unique key over
    the values, two rows may swap theirs, which no UPDATE can do row by row: then what differs is deleted and inserted,
    and counts as updated. Inside a transaction; `planned` is what `count_difference` said there.
    """
    sql = database.sql
    deleted = database.execute(sql.delete_vanished(staged, day)) if planned.deleted else 0
    change = sql.delete_changed if staged.may_swap else sql.update_changed
    updated = database.execute(change(staged, day)) if planned.updated else 0
    again = updated if staged.may_swap else 0
    insert = sql.insert_new(staged, day) if target_rows else sql.insert_all(staged, day)
    inserted = database.execute(insert) if planned.inserted or again else 0
    return Change(inserted - again, updated, deleted)
