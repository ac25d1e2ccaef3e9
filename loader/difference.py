"""The smallest change that makes a day in the target what is staged: counted, or made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from loader.database import Database
from loader.sql_text import Staged


@dataclass(frozen=True, slots=True)
class Change:
    """Rows inserted, updated, deleted."""

    inserted: int
    updated: int
    deleted: int

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return bool(self.inserted or self.updated or self.deleted)


def count_difference(database: Database, staged: Staged, day: date) -> Change:
    """Return what `apply_difference` would change; writes nothing."""
    sql = database.sql
    ((staged_rows,),) = database.query(sql.count_and_sums(staged.name, ()))
    ((target_rows,),) = database.query(sql.count_and_sums(sql.of(staged.target), (), sql.of_day(day)))
    ((matched, differing),) = database.query(sql.count_matched(staged, day))
    return Change(int(staged_rows) - int(matched), int(differing), int(target_rows) - int(matched))


def apply_difference(database: Database, staged: Staged, day: date, *, staged_rows: int, target_rows: int) -> Change:
    """Delete what vanished, update what differs in any bit, insert what is new; rows that are equal stay untouched.

    Inside a transaction. `target_rows` is how many rows the day has in the target, `staged_rows` how many are staged.
    """
    if target_rows == 0:
        return Change(database.execute(database.sql.insert_all(staged, day)), 0, 0)
    deleted = database.execute(database.sql.delete_vanished(staged, day))
    updated = database.execute(database.sql.update_changed(staged, day)) if database.sql.changing(staged) else 0
    inserted = 0
    if target_rows - deleted < staged_rows:  # what is left has a staged row each; as many as staged: none is new
        inserted = database.execute(database.sql.insert_new(staged, day))
    return Change(inserted, updated, deleted)
