"""Replaces a day in one transaction.

Take the ledger's row, refuse or change, write the ledger, prove, commit. The proof comes after the last write: the day
in the target is what was staged, in every bit. Triggers, rules and generated values write, too: the proof finds any
change of theirs, and then nothing is committed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loader.conservation import raise_if_any
from loader.refusals import Permission, Standing, check_may_load
from loader.target.content import Content, DayCount, content_faults
from loader.target.database import Database
from loader.target.day import count_day, describe_edits
from loader.target.difference import Change, apply_difference, count_difference
from loader.target.errors import ConnectionLostError
from loader.target.ledger import LedgerRow, lock_ledger_row, read_ledger_row, write_ledger_row
from loader.target.preflight import Target
from loader.target.sql import Staged
from staging.process.cancel import Cancel


class CommitUnknownError(ConnectionLostError):
    """The connection broke while COMMIT was on its way.

    Only the ledger knows.
    """

    def __init__(self, lost: ConnectionLostError, change: Change, ours: LedgerRow) -> None:
        super().__init__(
            "The connection broke while the day was being committed.",
            why=lost.why,
            fix="Run the loader again: it asks the ledger.",
        )
        self.change = change
        self.ours = ours


@dataclass(frozen=True, slots=True)
class DayLoad:
    """All that the transaction needs to know."""

    target: Target
    ours: LedgerRow
    permission: Permission
    cancel: Cancel
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settled:
    """The ledger's row of the day, and what was changed.

    None where this run had done it all before.
    """

    row: LedgerRow
    change: Change | None


def replace_day(database: Database, staged: Staged, content: Content, load: DayLoad) -> Settled:
    """Make the day what is staged, and the ledger say so.

    Nothing is written where this run had done it before. If it had, but the day has changed since, the day is set
    right. HeldError, InputError and IntegrityError leave everything as it was. ContendedError: the whole may be
    repeated. CommitUnknownError: see `read_settled_row`.
    """
    day = load.ours.day
    database.begin()
    try:
        seen = _look(database, staged, content, load)
        if seen.done is not None:
            database.rollback()
            return Settled(seen.done, None)
        _report_edits(seen.found, seen.before, load)
        change = apply_difference(database, staged, day, seen.planned, target_rows=seen.before.rows)
        _report_same_digest(seen.found, change, load)
        write_ledger_row(database, load.target.ledger, load.ours)
        database.run_deferred()
        prove_day(database, staged, content, load.target, load.ours)
        load.cancel.check()
    except BaseException:
        database.rollback()
        raise
    _commit(database, change, load.ours)
    return Settled(load.ours, change)


def is_loaded(database: Database, staged: Staged, content: Content, load: DayLoad) -> bool:
    """Return whether this run has loaded the day as it is staged.

    The ledger says it, and every row of the day. Nothing is written. Raises what forbids this run to load the day.
    """
    database.begin()
    try:
        return _look(database, staged, content, load).done is not None
    finally:
        database.rollback()


@dataclass(frozen=True, slots=True)
class _Seen:
    """The ledger's row, the day as it is, and what is to be changed.

    `done` is the row where this run has loaded it all.
    """

    found: LedgerRow | None
    before: DayCount
    planned: Change
    done: LedgerRow | None


def _look(database: Database, staged: Staged, content: Content, load: DayLoad) -> _Seen:
    day = load.ours.day
    found = lock_ledger_row(database, load.target.ledger, load.ours, load.target.table)
    standing = check_may_load(found, load.ours, load.permission)
    before = count_day(database, load.target, day, content)
    planned = count_difference(database, staged, day, staged_rows=content.rows, target_rows=before.rows)
    is_done = standing is Standing.DONE_ALREADY and not planned and found is not None and found.says_what(load.ours)
    return _Seen(found, before, planned, found if is_done else None)


def read_settled_row(database: Database, target: Target, ours: LedgerRow) -> LedgerRow | None:
    """Return the ledger's row by a locking read.

    It waits until an old transaction of ours has ended.
    """
    database.begin()
    try:
        return lock_ledger_row(database, target.ledger, ours, target.table)
    finally:
        database.rollback()


def _commit(database: Database, change: Change, ours: LedgerRow) -> None:
    try:
        database.commit()
    except ConnectionLostError as lost:
        raise CommitUnknownError(lost, change, ours) from lost
    except BaseException:
        database.rollback()
        raise


def _report_edits(found: LedgerRow | None, before: DayCount, load: DayLoad) -> None:
    """Say so where the day is not what the ledger says: somebody else wrote there, and it will be overwritten."""
    day = load.ours.day
    if found is None and before.rows:
        load.say(f"warning: {day} has {before.rows} rows that no load of the ledger wrote; they are replaced.")
    if found is not None and (edits := describe_edits(found, before)):
        load.say(f"warning: {day} was changed since run {found.run_id} loaded it ({edits}); that is overwritten.")


def _report_same_digest(found: LedgerRow | None, change: Change, load: DayLoad) -> None:
    """Say so where rows and sums were the ledger's, and the rows were not."""
    if found is not None and found.digest == load.ours.digest and change:
        load.say(
            f"warning: {load.ours.day} was changed since run {found.run_id} loaded the same content; "
            f"{change.inserted} rows come back, {change.updated} are set back, {change.deleted} go."
        )


def prove_day(database: Database, staged: Staged, content: Content, target: Target, ours: LedgerRow) -> None:
    """Raise IntegrityError unless the day is exactly what was staged.

    Rows, sums and every value are compared, and the ledger's row.
    """
    day = ours.day
    counted = count_day(database, target, day, content, lock=True)
    faults = list(content_faults(content, counted, "in the target"))
    left = count_difference(
        database, staged, day, staged_rows=content.rows, target_rows=counted.rows, lock=database.sql.proof_lock
    )
    if left:
        faults.append(
            f"after the last write {left.inserted} rows are missing, {left.updated} have other values, "
            f"{left.deleted} are too many: a trigger or a rule of the table may have changed them"
        )
    raise_if_any(faults, f"{target.table.name} would not hold the day.")
    said = read_ledger_row(database, target.ledger, target.table, day)
    if said is None or not said.says_what(ours):
        raise_if_any([f"its row of {day} is not what was written"], f"{target.ledger.name} would not tell of the day.")
