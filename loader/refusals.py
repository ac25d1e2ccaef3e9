"""Decides by the ledger alone whether a run may load.

Pure: the same two rows give the same answer. It checks in this order, so that for a late run its lateness is reported
before anything else:

1. another owner pipeline: InputError. Two pipelines would delete each other's rows as vanished.
2. another head_id: InputError, unless this run's own is adopted by name. Fences of two heads can't be compared.
3. a lower fence: HeldError. A newer run has taken the day over.
4. the same run: done already if the digest is the same, else IntegrityError. The same fence by another run, too.
5. another window: InputError. The day would change its meaning (a time zone was changed).
6. an older `as_of`: HeldError, unless older ones are allowed. A newer export is loaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from loader.target.ledger import LedgerRow
from staging.errors import HeldError, InputError, IntegrityError


class Standing(Enum):
    """What the ledger lets a run do."""

    MAY_LOAD = "may load"
    DONE_ALREADY = "done already"


@dataclass(frozen=True, slots=True)
class Permission:
    """What the operator allowed by name.

    An older export, this run's head instead of the ledger's, a doubted size.
    """

    older: bool = False
    head_id: str | None = None
    change: bool = False


def check_may_load(found: LedgerRow | None, ours: LedgerRow, permission: Permission) -> Standing:
    """Return what the run may do; raises as the module says."""
    if found is None:
        return Standing.MAY_LOAD
    _check_owner(found, ours)
    if found.head_id == ours.head_id:
        if (standing := _compare_fences(found, ours)) is Standing.DONE_ALREADY:
            return standing
    else:
        _check_adopted(found, ours, permission)
    _check_window(found, ours)
    _check_age(found, ours, permission)
    return Standing.MAY_LOAD


def _check_owner(found: LedgerRow, ours: LedgerRow) -> None:
    if found.pipeline != ours.pipeline:
        raise InputError(
            f"{_day(ours)} belongs to the pipeline {found.pipeline}.",
            why=f"Its run {found.run_id} loaded it at {found.loaded_at}; {ours.pipeline} would delete its rows.",
            fix="Give each pipeline a target table of its own.",
        )


def _check_adopted(found: LedgerRow, ours: LedgerRow, permission: Permission) -> None:
    if permission.head_id != ours.head_id:
        raise InputError(
            f"{_day(ours)} was loaded under another head: {found.head_id}.",
            why=f"This run's head is {ours.head_id}: the bucket was replaced, its head was lost, or this is another "
            "environment's bucket or database.",
            fix="If this bucket shall rule the day from now on: "
            f"penstock run --day {ours.day} --adopt-head {ours.head_id}.",
        )


def _compare_fences(found: LedgerRow, ours: LedgerRow) -> Standing:
    if ours.fence < found.fence:
        raise HeldError(
            f"A newer run has loaded {_day(ours)}: {found.run_id}.",
            why=f"Its fence is {found.fence}, this run's is {ours.fence}.",
            fix="Nothing has to be done; to load the day once more, start a new run.",
        )
    if ours.fence > found.fence and ours.run_id != found.run_id:
        return Standing.MAY_LOAD
    if (found.run_id, found.fence, found.export_id, found.digest) == (
        ours.run_id,
        ours.fence,
        ours.export_id,
        ours.digest,
    ):
        return Standing.DONE_ALREADY
    raise IntegrityError(
        f"The ledger says that {_day(ours)} was loaded by this run or fence, but from other content.",
        why=f"Ledger: run {found.run_id}, fence {found.fence}, export {found.export_id}, digest {found.digest}. "
        f"Here: run {ours.run_id}, fence {ours.fence}, export {ours.export_id}, digest {ours.digest}.",
        fix="Objects of the run were replaced. Look into the bucket, then start a new run.",
    )


def _check_window(found: LedgerRow, ours: LedgerRow) -> None:
    if (found.window_start, found.window_end) != (ours.window_start, ours.window_end):
        raise InputError(
            f"{_day(ours)} was loaded for another window.",
            why=f"Loaded: {found.window_start} to {found.window_end}. This run: {ours.window_start} to "
            f"{ours.window_end}. The time zone of the business day was changed.",
            fix="Set source.timezone back, or load the new days into another table.",
        )


def _check_age(found: LedgerRow, ours: LedgerRow, permission: Permission) -> None:
    if ours.as_of < found.as_of and not permission.older:
        raise HeldError(
            f"A newer export of {_day(ours)} is loaded: {found.export_id}.",
            why=f"It is true of {found.as_of}, this run's of {ours.as_of}.",
            fix=f"Export the day again, or load the older one: penstock run --day {ours.day} --allow-older.",
        )


def _day(row: LedgerRow) -> str:
    return f"{row.day} of {row.target_table}"
