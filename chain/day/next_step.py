"""Decides what a command does with a day.

It depends on how far the day is: begin a run, resume the last one, or ask the ledger. The table of all combinations is
in docs/operations.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chain.day.state import DayState
from staging.documents.run import RunRecord
from staging.errors import InputError
from staging.names import DayNames

Wish = Literal["run", "fresh export", "reprocess", "resume"]


@dataclass(frozen=True, slots=True)
class BeginRun:
    """Take the next fence and do everything that has to be done."""

    kind: Literal["run", "reprocess"]
    fresh_export: bool = False


@dataclass(frozen=True, slots=True)
class GoOn:
    """Do what the run has not done yet, under its own fence."""

    run: RunRecord


@dataclass(frozen=True, slots=True)
class AskLedger:
    """The bucket says that the run has loaded the day.

    Only the target's ledger knows.
    """

    run: RunRecord


def plan_step(wish: Wish, state: DayState, names: DayNames) -> BeginRun | GoOn | AskLedger:
    """Return what is to be done.

    InputError where `resume` finds nothing to resume. Only `resume` resumes a run that failed for good: who gives
    another command has changed something, and what the run has done already lacks that.
    """
    run = state.run
    if wish == "resume" and run is None:
        raise _never_begun(names)
    if run is not None and wish in ("run", "resume") and state.is_done:
        return AskLedger(run)
    if run is not None and (wish == "resume" or (_is_cut_short(state) and _is_for(wish, run, state))):
        return GoOn(run)
    return BeginRun("reprocess" if wish == "reprocess" else "run", fresh_export=wish == "fresh export")


def _is_cut_short(state: DayState) -> bool:
    return not state.is_done and not state.failed


def _is_for(wish: Wish, run: RunRecord, state: DayState) -> bool:
    """Return whether an unfinished run leads to what is wished for."""
    if wish == "fresh export":  # one that has read the source already may have read it long ago
        return run.fresh_export and not state.has_export
    return wish in ("run", run.kind)


def _never_begun(names: DayNames) -> InputError:
    return InputError(
        f"There is no run of {names.pipeline} {names.day} to resume.",
        why="None was begun, or the last one ended before it had noted what it was asked to do, and did nothing.",
        fix=f"Begin one: penstock run --day {names.day}.",
    )
