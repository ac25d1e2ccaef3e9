"""Proves a day of Parquet files in a target.

Their manifest, and every file that it names, against the run's parts.
"""

from __future__ import annotations

from loader.parquet.target import read_target_manifest, to_row
from loader.run_inputs import RunInputs
from loader.stage_parts import read_content
from loader.target.content import Content, DayCount, content_faults
from loader.target.ledger import LedgerRow
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
from staging.documents.target_manifest import TargetManifest
from staging.errors import IntegrityError
from staging.open_store import open_store
from staging.store import Store


def verify_files(url: str, checking: Checking) -> Verification:
    """See `loader.verify.day.verify_day`; the target's manifest is the ledger."""
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
            _verify_parts(checking, inputs, row)
            _verify_target(checking, target, inputs, found[0])
    return checking.conclude(row)


def _verify_parts(checking: Checking, inputs: RunInputs, row: LedgerRow) -> None:
    with checking.check("parts") as compared:
        content = read_content(checking.store, inputs, checking.cancel)
        _compare(Content(row.loaded_rows, row.totals, row.digest), content, "The parts are not what the ledger says.")
        compared.append(f"{content.rows:,} rows, sums and digest are the ledger's")


def _verify_target(checking: Checking, target: Store, inputs: RunInputs, said: TargetManifest) -> None:
    with checking.check("target") as compared:
        content = read_content(target, inputs, checking.cancel, said.parts)
        _compare(Content(said.rows, said.totals, said.digest), content, f"{target.url} is not what was loaded.")
        compared.append(
            f"{len(said.parts)} files, {content.rows:,} rows, each as in the parts; {show_totals(content.totals)}"
        )


def _compare(told: Content, found: Content, what: str) -> None:
    faults = list(content_faults(told, DayCount(found.rows, found.totals), "there"))
    if found.digest != told.digest:
        faults.append(f"the rows' digest is {found.digest}, the ledger's is {told.digest}")
    if faults:
        raise IntegrityError(what, why="; ".join(faults))
