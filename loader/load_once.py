"""One attempt on one connection: from the preflight to the commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from loader.attempts import Attempts
from loader.doubt import check_doubt
from loader.outcome import Outcome
from loader.refusals import Permission, check_may_load
from loader.replace_day import CommitUnknownError, DayLoad, read_settled_row, replace_day
from loader.restored_head import check_not_restored
from loader.run_inputs import RunInputs
from loader.stage_parts import stage_parts
from loader.target.content import Content
from loader.target.database import Database
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
    """One call of `load_day`.

    `unresolved`: a COMMIT whose outcome is not known yet.
    """

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
        if load.unresolved is not None and found is not None and _is_committed(found, load.unresolved.ours):
            return outcome_of(found, load.unresolved.change)
        if found is None or found.run_id != load.inputs.record.run_id:
            check_not_restored(found, load.store, load.inputs.names)
            # Refused before the parts are read; the transaction asks again, holding the row's lock.
            check_may_load(found, _ledger_row(target, load, Content(0, {}, "")), load.permission)
        if not load.permission.change:
            check_doubt(load.pipeline, load.inputs, load.store, found, load.say)
        load.say(f"Staging {load.inputs.rows} rows of {len(load.inputs.receipts)} parts in {database.name}.")
        load.progress.begin("load")
        staged, content = stage_parts(
            database, target, load.store, load.inputs, cancel=load.cancel, progress=load.progress
        )
        day_load = DayLoad(target, _ledger_row(target, load, content), load.permission, load.cancel, load.say)
        load.progress.begin("commit")
        while True:
            try:
                settled = replace_day(database, staged, content, day_load)
            except (ContendedError, ReadOnlyError) as contended:
                attempts.wait_after(contended)
            else:
                return outcome_of(settled.row, settled.change)


def _is_committed(found: LedgerRow, ours: LedgerRow) -> bool:
    """Whether the ledger has this very load; a run that sets its day right has loaded the same content before."""
    return found.says_what(ours) and found.loaded_at == ours.loaded_at


def _ledger_row(target: Target, load: Load, content: Content) -> LedgerRow:
    return ledger_row(load, content, target.table.schema, target.table.name)


def ledger_row(load: Load, content: Content, target_schema: str, target_table: str) -> LedgerRow:
    """Return the ledger's row for this content once it is loaded."""
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
    """Return what the load did.

    `change` is None where the run had loaded the day before.
    """
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
