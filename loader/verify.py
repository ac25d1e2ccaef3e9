"""Reads back everything that a loaded day rests on, and proves that it agrees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

from loader.conservation import check_declared_sums
from loader.content import Content, DayCount, content_faults
from loader.database import Database
from loader.difference import count_difference
from loader.interrupting import interrupting
from loader.ledger import LedgerRow, read_ledger_row
from loader.open_database import open_database
from loader.preflight import Target, find_tables, find_target
from loader.run_inputs import RunInputs, read_run_inputs
from loader.sql_text import Staged
from loader.stage_parts import stage_parts
from loader.target_day import count_day
from loader.verify_shards import verify_quarantine, verify_shards
from staging.cancel import Cancel
from staging.config import Pipeline
from staging.errors import IntegrityError, PenstockError, UnavailableError
from staging.names import DayNames
from staging.progress import Progress
from staging.store import Store


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was proven, or not; `why` says what was compared, or what differs."""

    name: str
    ok: bool
    why: str


@dataclass(frozen=True, slots=True)
class Verification:
    """All checks of one day, in the order of the path: ledger, run, shards, sums, parts, target."""

    day: date
    run_id: str | None
    export_id: str | None
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return bool(self.checks) and all(check.ok for check in self.checks)


@dataclass(slots=True)
class _Checking:
    """One verification: where to look, and what was found. What can't be looked at after a failure is left out."""

    pipeline: Pipeline
    day: date
    store: Store
    database: Database
    cancel: Cancel
    say: Callable[[str], None]
    checks: list[Check] = field(default_factory=list)

    @contextmanager
    def check(self, name: str) -> Iterator[list[str]]:
        """Run a check, which appends what it compared to the list; an error of the run's data is its failure."""
        compared: list[str] = []
        self.say(f"checking {name}")
        try:
            yield compared
        except UnavailableError:
            raise
        except PenstockError as error:
            self.checks.append(Check(name, ok=False, why=" ".join(part for part in (error.what, error.why) if part)))
        else:
            self.checks.append(Check(name, ok=True, why="; ".join(compared)))


def verify_day(
    pipeline: Pipeline, day: date, *, store: Store, cancel: Cancel, say: Callable[[str], None]
) -> Verification:
    """Prove that manifest, shards, receipts, parts, ledger and target agree about a day.

    The ledger says which run is loaded. What does not agree is a failed check, no exception; InputError and
    UnavailableError mean that bucket or database could not be asked. Writes nothing but a temporary table.
    """
    with open_database(pipeline) as database, interrupting(database, cancel):
        checking = _Checking(pipeline, day, store, database, cancel, say)
        row = _verify_ledger(checking)
        inputs = _verify_documents(checking, row) if row else None
        if row and inputs:
            _verify_objects(checking, inputs)
            _verify_target(checking, inputs, row)
    return Verification(day, row.run_id if row else None, row.export_id if row else None, tuple(checking.checks))


def _verify_ledger(checking: _Checking) -> LedgerRow | None:
    row: LedgerRow | None = None
    table, ledger = find_tables(checking.database, checking.pipeline)
    with checking.check("ledger") as compared:
        row = read_ledger_row(checking.database, ledger, table, checking.day)
        if row is None:
            raise IntegrityError(f"The ledger knows no load of {checking.day} into {table.name}.")
        if row.pipeline != checking.pipeline.name:
            raise IntegrityError(f"The ledger says that {row.pipeline} loaded {checking.day}.")
        compared.append(f"run {row.run_id} of export {row.export_id}, {row.loaded_rows} rows, at {row.loaded_at}")
    return row


def _verify_documents(checking: _Checking, row: LedgerRow) -> RunInputs | None:
    inputs: RunInputs | None = None
    with checking.check("documents") as compared:
        inputs = read_run_inputs(checking.store, DayNames(row.pipeline, row.day), row.run_id)
        record, manifest = inputs.record, inputs.manifest
        pairs = {
            "head": (row.head_id, record.head_id),
            "fence": (row.fence, record.fence),
            "export": (row.export_id, manifest.export_id),
            "as_of": (row.as_of, manifest.as_of),
            "window": ((row.window_start, row.window_end), manifest.window()),
        }
        if differing := [f"{name} {left} and {right}" for name, (left, right) in pairs.items() if left != right]:
            raise IntegrityError("Ledger and bucket tell of different things: " + "; ".join(differing) + ".")
        compared.append(f"run, export, manifest and {len(inputs.receipts)} receipts agree with the ledger")
    if inputs is not None:
        with checking.check("conservation") as compared:
            check_declared_sums(inputs)
            compared.append(_conserved(inputs))
    return inputs


def _conserved(inputs: RunInputs) -> str:
    sums = [f"{name} {total}" for name, total in inputs.manifest.sums.items()]
    declared = {each.source for receipt in inputs.receipts for each in receipt.conserved}
    told = f"exporter = shards = receipts: {inputs.manifest.rows} rows, {', '.join(sums) or 'no sums'}"
    return told if declared else f"{told}; the transform conserves no sum"


def _verify_objects(checking: _Checking, inputs: RunInputs) -> None:
    with checking.check("shards") as compared:
        compared.append(verify_shards(checking.store, inputs, checking.cancel))
    with checking.check("quarantine") as compared:
        compared.append(verify_quarantine(checking.store, inputs, checking.cancel))


def _verify_target(checking: _Checking, inputs: RunInputs, row: LedgerRow) -> None:
    database, day = checking.database, checking.day
    found: tuple[Target, Staged, Content] | None = None
    with checking.check("parts") as compared:
        target = find_target(database, checking.pipeline, inputs.schema)
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
        compared.append(f"{content.rows} rows, sums and digest are the ledger's")
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
        totals = ", ".join(f"{name} {total}" for name, total in content.totals.items())
        compared.append(f"{content.rows} rows, each as in the parts; {totals}")
