"""One attempt on one connection: from the preflight to the commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from loader.attempts import Attempts
from loader.outcome import Outcome
from loader.refusals import Permission, check_may_load
from loader.replace_day import CommitUnknownError, DayLoad, read_settled_row, replace_day
from loader.run_inputs import RunInputs
from loader.stage_parts import read_content, stage_parts
from loader.target.content import Content
from loader.target.database import Database
from loader.target.day import count_day, describe_edits
from loader.target.difference import Change
from loader.target.errors import ContendedError, ReadOnlyError
from loader.target.interrupting import interrupting
from loader.target.ledger import LedgerRow, read_ledger_row
from loader.target.preflight import Target, check_target
from staging.config.pipeline import Pipeline
from staging.documents.run import Loaded
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.store import Store


@dataclass(slots=True)
class Load:
    """What one call of `load_day` is about. `unresolved`: a COMMIT of which nobody knows yet whether it did."""

    pipeline: Pipeline
    inputs: RunInputs
    store: Store
    permission: Permission
    now: Callable[[], datetime]
    cancel: Cancel
    say: Callable[[str], None]
    progress: Progress
    unresolved: CommitUnknownError | None = None


def load_once(database: Database, load: Load, attempts: Attempts) -> Outcome:
    """Load the day on this connection; ConnectionLostError asks for another one."""
    with interrupting(database, load.cancel):
        target = check_target(database, load.pipeline, load.inputs.schema, load.inputs.key)
        if load.unresolved is None:
            found = read_ledger_row(database, target.ledger, target.table, load.inputs.names.day)
        else:
            found = read_settled_row(database, target, load.unresolved.ours)
        if found is not None and found.run_id == load.inputs.record.run_id:
            return _answer_done(database, target, found, load)
        # Refusals are told before the parts are read; the transaction asks again, with the row's lock in its hand.
        check_may_load(found, _ledger_row(target, load, Content(0, {}, "")), load.permission)
        load.say(f"Staging {load.inputs.rows} rows of {len(load.inputs.receipts)} parts in {database.name}.")
        staged, content = stage_parts(
            database, target, load.store, load.inputs, cancel=load.cancel, progress=load.progress
        )
        day_load = DayLoad(target, _ledger_row(target, load, content), load.permission, load.cancel, load.say)
        while True:
            try:
                change = replace_day(database, staged, content, day_load)
            except (ContendedError, ReadOnlyError) as contended:
                attempts.wait_after(contended)
            else:
                return outcome_of(day_load.ours, change)


def _answer_done(database: Database, target: Target, found: LedgerRow, load: Load) -> Outcome:
    """The ledger names this very run: prove that the parts are still those that were loaded, and write nothing."""
    if load.unresolved is not None and load.unresolved.ours.digest == found.digest:
        return outcome_of(found, load.unresolved.change)
    content = read_content(load.store, load.inputs, load.cancel)
    check_may_load(found, _ledger_row(target, load, content), load.permission)
    if edits := describe_edits(found, count_day(database, target, found.day, content)):
        load.say(f"warning: {found.day} was changed since this run loaded it ({edits}); a new run sets it right.")
    return outcome_of(found, None)


def _ledger_row(target: Target, load: Load, content: Content) -> LedgerRow:
    return ledger_row(load, content, target.table.schema, target.table.name)


def ledger_row(load: Load, content: Content, target_schema: str, target_table: str) -> LedgerRow:
    """Return what the ledger is to say when this content is loaded."""
    record, manifest = load.inputs.record, load.inputs.manifest
    return LedgerRow(
        target_schema=target_schema,
        target_table=target_table,
        day=record.day,
        pipeline=record.pipeline,
        head_id=record.head_id,
        fence=record.fence,
        run_id=record.run_id,
        export_id=manifest.export_id,
        as_of=manifest.as_of,
        window_start=manifest.window_start,
        window_end=manifest.window_end,
        loaded_rows=content.rows,
        totals=content.totals,
        digest=content.digest,
        loaded_at=load.now(),
    )


def outcome_of(row: LedgerRow, change: Change | None) -> Outcome:
    """Return what the load did; `change` is None where the run had loaded the day before."""
    counted = change or Change(0, 0, 0)
    loaded = Loaded(
        run_id=row.run_id,
        export_id=row.export_id,
        fence=row.fence,
        day=row.day,
        rows=row.loaded_rows,
        inserted=counted.inserted,
        updated=counted.updated,
        deleted=counted.deleted,
        totals=row.totals,
        digest=row.digest,
        loaded_at=row.loaded_at,
    )
    return Outcome(loaded, already=change is None)
