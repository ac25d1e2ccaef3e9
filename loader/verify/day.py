"""Proves that everything behind a loaded day agrees.

It reads all of it back, from a database or from a target's Parquet files, whose manifest is the ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from loader.open_database import open_database
from loader.parquet.target import read_target_manifest, to_row
from loader.run_inputs import RunInputs
from loader.stage_parts import read_content, stage_parts
from loader.target.content import Content, DayCount, content_faults
from loader.target.database import Database
from loader.target.day import count_day
from loader.target.difference import count_difference
from loader.target.interrupting import interrupting
from loader.target.ledger import LedgerRow, read_ledger_row
from loader.target.preflight import Target, find_tables, find_target
from loader.target.sql import Staged
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
from staging.documents.target_manifest import TargetManifest
from staging.errors import IntegrityError
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.store import Store


def verify_day(
    pipeline: Pipeline, day: date, *, store: Store, cancel: Cancel, say: Callable[[str], None]
) -> Verification:
    """Prove that a day's documents, files, ledger and target agree.

    Manifest, shards, receipts, parts, ledger and target. The ledger says which run is loaded. A disagreement is a
    failed check, no exception; InputError and UnavailableError mean that bucket or database could not be asked. Writes
    nothing but a temporary table.
    """
    checking = Checking(pipeline, day, store, cancel, say)
    if pipeline.target.parquet is not None:
        return _verify_files(pipeline.target.parquet, checking)
    with open_database(pipeline) as database, interrupting(database, cancel):
        row = _verify_ledger(checking, database)
        inputs = verify_documents(checking, row) if row else None
        if row and inputs:
            verify_settings(checking, inputs)
            verify_objects(checking, inputs)
            _verify_table(checking, database, inputs, row)
    return checking.conclude(row)


def _verify_ledger(checking: Checking, database: Database) -> LedgerRow | None:
    row: LedgerRow | None = None
    table, ledger = find_tables(database, checking.pipeline)
    with checking.check("ledger") as compared:
        row = read_ledger_row(database, ledger, table, checking.day)
        compared.append(describe_row(check_owner(row, checking, table.name)))
    return row


def _verify_table(checking: Checking, database: Database, inputs: RunInputs, row: LedgerRow) -> None:
    day = checking.day
    found: tuple[Target, Staged, Content] | None = None
    with checking.check("parts") as compared:
        target = find_target(database, checking.pipeline, inputs.schema, inputs.key)
        staged, content = stage_parts(
            database, target, checking.store, inputs, cancel=checking.cancel, progress=Progress()
        )
        found = target, staged, content
        compared.append(_compare_parts(row, content))
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


def _verify_files(url: str, checking: Checking) -> Verification:
    with open_store(url) as target:
        found: tuple[TargetManifest, int] | None = None
        row: LedgerRow | None = None
        with checking.check("ledger") as compared:
            found = read_target_manifest(target, checking.day)
            row = to_row(found, url)
            compared.append(describe_row(check_owner(row, checking, url)))
        inputs = verify_documents(checking, row) if row else None
        if found and row and inputs:
            verify_settings(checking, inputs)
            verify_objects(checking, inputs)
            with checking.check("parts") as compared:
                compared.append(_compare_parts(row, read_content(checking.store, inputs, checking.cancel)))
            _verify_file_rows(checking, target, inputs, found[0])
    return checking.conclude(row)


def _verify_file_rows(checking: Checking, target: Store, inputs: RunInputs, said: TargetManifest) -> None:
    with checking.check("target") as compared:
        content = read_content(target, inputs, checking.cancel, said.parts)
        loaded = Content(said.rows, said.totals, said.digest)
        _compare(loaded, content, "there", f"{target.url} is not what was loaded.")
        compared.append(
            f"{len(said.parts)} files, {content.rows:,} rows, each as in the parts; {show_totals(content.totals)}"
        )


def _compare_parts(row: LedgerRow, content: Content) -> str:
    """Return how the parts agree with the ledger."""
    said = Content(row.loaded_rows, row.totals, row.digest)
    _compare(said, content, "in the parts", "The parts are not what the ledger says.")
    return f"{content.rows:,} rows, sums and digest are the ledger's"


def _compare(said: Content, found: Content, where: str, what: str) -> None:
    faults = list(content_faults(said, DayCount(found.rows, found.totals), where))
    if found.digest != said.digest:
        faults.append(f"the rows' digest is {found.digest}, the ledger's is {said.digest}")
    if faults:
        raise IntegrityError(what, why="; ".join(faults))
