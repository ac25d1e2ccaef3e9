"""Proves that everything a loaded day rests on agrees.

It reads all of it back.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from loader.open_database import open_database
from loader.run_inputs import RunInputs
from loader.stage_parts import stage_parts
from loader.target.content import Content, DayCount, content_faults
from loader.target.database import Database
from loader.target.day import count_day
from loader.target.difference import count_difference
from loader.target.interrupting import interrupting
from loader.target.ledger import LedgerRow, read_ledger_row
from loader.target.preflight import Target, find_tables, find_target
from loader.target.sql import Staged
from loader.verify.files import verify_files
from loader.verify.run import (
    Checking,
    Verification,
    check_owner,
    describe_row,
    show_totals,
    verify_documents,
    verify_objects,
    verify_settings,
)
from staging.config.pipeline import Pipeline
from staging.errors import IntegrityError
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.store import Store


def verify_day(
    pipeline: Pipeline, day: date, *, store: Store, cancel: Cancel, say: Callable[[str], None]
) -> Verification:
    """Prove that a day's documents, files, ledger and target agree.

    Manifest, shards, receipts, parts, ledger and target. The ledger says which run is loaded. What does not agree is a
    failed check, no exception; InputError and UnavailableError mean that bucket or database could not be asked. Writes
    nothing but a temporary table.
    """
    checking = Checking(pipeline, day, store, cancel, say)
    if pipeline.target.parquet is not None:
        return verify_files(pipeline.target.parquet, checking)
    with open_database(pipeline) as database, interrupting(database, cancel):
        row = _verify_ledger(checking, database)
        inputs = verify_documents(checking, row) if row else None
        if row and inputs:
            verify_settings(checking, inputs)
            verify_objects(checking, inputs)
            _verify_target(checking, database, inputs, row)
    return checking.conclude(row)


def _verify_ledger(checking: Checking, database: Database) -> LedgerRow | None:
    row: LedgerRow | None = None
    table, ledger = find_tables(database, checking.pipeline)
    with checking.check("ledger") as compared:
        row = read_ledger_row(database, ledger, table, checking.day)
        compared.append(describe_row(check_owner(row, checking, table.name)))
    return row


def _verify_target(checking: Checking, database: Database, inputs: RunInputs, row: LedgerRow) -> None:
    day = checking.day
    found: tuple[Target, Staged, Content] | None = None
    with checking.check("parts") as compared:
        target = find_target(database, checking.pipeline, inputs.schema, inputs.key)
        staged, content = stage_parts(
            database, target, checking.store, inputs, cancel=checking.cancel, progress=Progress()
        )
        found = target, staged, content
        loaded = Content(row.loaded_rows, row.totals, row.digest)
        faults = list(content_faults(loaded, DayCount(content.rows, content.totals), "in the parts"))
        if content.digest != row.digest:
            faults.append(f"their digest is {content.digest}, the ledger's is {row.digest}")
        if faults:
            raise IntegrityError("The parts are not what the ledger says.", why="; ".join(faults))
        compared.append(f"{content.rows:,} rows, sums and digest are the ledger's")
    if found is None:
        return
    target, staged, content = found
    with checking.check("target") as compared:
        counted = count_day(database, target, day, content)
        faults = list(content_faults(content, counted, "in the target"))
        if change := count_difference(database, staged, day, staged_rows=content.rows, target_rows=counted.rows):
            faults.append(f"{change.inserted} rows are missing, {change.updated} differ, {change.deleted} are too many")
        if faults:
            raise IntegrityError(f"{target.table.name} is not what was loaded.", why="; ".join(faults))
        compared.append(f"{content.rows:,} rows, each as in the parts; {show_totals(content.totals)}")
