"""Proves a loaded day, for any kind of target.

The ledger's owner, the run's documents, its objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from loader.conservation import check_declared_sums
from loader.run_inputs import RunInputs, read_run_inputs
from loader.target.ledger import LedgerRow
from loader.verify.shards import verify_quarantine, verify_shards
from staging.config.pipeline import Pipeline
from staging.documents.same_question import check_same_question, describe_other_place
from staging.errors import IntegrityError, PenstockError, UnavailableError
from staging.names import DayNames
from staging.process.cancel import Cancel
from staging.store import Store

SETTINGS = "settings"
"""The check that fails if the pipeline file asks something else now: then no data is wrong."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was proven, or not.

    `why` says what was compared, or what differs.
    """

    name: str
    ok: bool
    why: str


@dataclass(frozen=True, slots=True)
class Verification:
    """All checks of one day, in the order of the path.

    Ledger, run, shards, sums, parts, target.
    """

    day: date
    run_id: str | None
    export_id: str | None
    checks: tuple[Check, ...]
    unfinished: bool = False
    """Whether the day was read before it was over."""

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return bool(self.checks) and all(check.ok for check in self.checks)


@dataclass(slots=True)
class Checking:
    """One verification: where to look, and what was found.

    What can't be looked at after a failure is left out.
    """

    pipeline: Pipeline
    day: date
    store: Store
    cancel: Cancel
    say: Callable[[str], None]
    checks: list[Check] = field(default_factory=list)
    unfinished: bool = False

    def conclude(self, row: LedgerRow | None) -> Verification:
        """Return all that was checked; `row` is what the ledger says."""
        run_id, export_id = (row.run_id, row.export_id) if row else (None, None)
        return Verification(self.day, run_id, export_id, tuple(self.checks), self.unfinished)

    @contextmanager
    def check(self, name: str) -> Iterator[list[str]]:
        """Run a check, which appends what it compared to the list.

        An error of the run's data is its failure.
        """
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


def check_owner(row: LedgerRow | None, checking: Checking, place: str) -> LedgerRow:
    """Return the ledger's row.

    IntegrityError where there is none, or it is another pipeline's.
    """
    if row is None:
        raise IntegrityError(f"The ledger knows no load of {checking.day} into {place}.")
    if row.pipeline != checking.pipeline.name:
        raise IntegrityError(f"The ledger says that {row.pipeline} loaded {checking.day}.")
    return row


def describe_row(row: LedgerRow) -> str:
    """Return what the ledger says, for people."""
    at = f"{row.loaded_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"run {row.run_id} of export {row.export_id}, {row.loaded_rows:,} rows, at {at}"


def verify_documents(checking: Checking, row: LedgerRow) -> RunInputs | None:
    """Read what the run left and compare it with the ledger.

    None where it can't be read.
    """
    inputs: RunInputs | None = None
    with checking.check("documents") as compared:
        inputs = read_run_inputs(checking.store, DayNames(row.pipeline, row.day), row.run_id)
        record, manifest = inputs.record, inputs.manifest
        checking.unfinished = manifest.unfinished
        pairs = {
            "head": (row.head_id, record.head_id),
            "fence": (row.fence, record.fence),
            "export": (row.export_id, manifest.export_id),
            "as_of": (row.as_of, manifest.as_of),
            "window": ((row.window_start, row.window_end), manifest.window()),
        }
        if differing := [f"{name} {left} and {right}" for name, (left, right) in pairs.items() if left != right]:
            raise IntegrityError("Ledger and bucket tell of different things: " + "; ".join(differing) + ".")
        count = len(inputs.receipts)
        compared.append(f"run, export, manifest and {count:,} receipt{'s' * (count != 1)} agree with the ledger")
    if inputs is not None:
        with checking.check("conservation") as compared:
            check_declared_sums(inputs)
            compared.append(_conserved(inputs))
    return inputs


def show_totals(totals: Mapping[str, str]) -> str:
    """`revenue 9,552,212.14, purchases 96,544`: as everywhere where people read figures."""
    return ", ".join(f"{name} {Decimal(total):,f}" for name, total in totals.items())


def _conserved(inputs: RunInputs) -> str:
    sums = show_totals(inputs.manifest.sums)
    for table in inputs.manifest.tables:
        sums = f"{sums or 'no sums'}; {table.name} {table.rows:,} rows, {show_totals(table.sums) or 'no sums'}"
    declared = {each.source for receipt in inputs.receipts for each in receipt.conserved}
    told = f"exporter = shards = receipts: {inputs.manifest.rows:,} rows, {sums or 'no sums'}"
    return told if declared else f"{told}; the transform conserves no sum"


def verify_settings(checking: Checking, inputs: RunInputs) -> None:
    """Compare what the loaded export answered with what the pipeline asks now."""
    source = checking.pipeline.source
    with checking.check(SETTINGS) as compared:
        check_same_question(inputs.manifest, source)
        compared.append("the loaded export answers what [source] asks")
        if told := describe_other_place(inputs.manifest, source):
            compared.append(told)


def verify_objects(checking: Checking, inputs: RunInputs) -> None:
    """Read the shards and what was set aside."""
    with checking.check("shards") as compared:
        compared.append(verify_shards(checking.store, inputs, checking.cancel))
    with checking.check("quarantine") as compared:
        compared.append(verify_quarantine(checking.store, inputs, checking.cancel))
