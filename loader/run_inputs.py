"""What a run hands to the loader.

Its documents, read strictly, belonging together, complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import polars as pl

from staging.documents.exports import read_manifest, read_run_export
from staging.documents.manifest import Manifest
from staging.documents.run import Receipt, RunRecord
from staging.documents.run_notes import find_receipts
from staging.documents.run_start import find_run
from staging.dtypes import parse_dtype
from staging.errors import InputError, IntegrityError
from staging.names import DayNames
from staging.store import Store

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class RunInputs:
    """One run's documents.

    `receipts` are in the order of shards; `schema` is that of every part, the key first.
    """

    names: DayNames
    record: RunRecord
    manifest: Manifest
    receipts: tuple[Receipt, ...]
    schema: pl.Schema

    @property
    def key(self) -> tuple[str, ...]:
        """The output's key columns."""
        return self.receipts[0].key_columns

    @property
    def merge(self) -> dict[str, Literal["sum", "min", "max"]]:
        """How each column of a partial output is merged.

        Empty where it is not partial.
        """
        return self.receipts[0].merge

    @property
    def rows(self) -> int:
        """Rows of all parts, as the receipts count them.

        A partial output's become fewer when they are merged.
        """
        return sum(receipt.rows_out for receipt in self.receipts)


def read_run_inputs(store: Store, names: DayNames, run_id: str) -> RunInputs:
    """Read run, export, manifest and the receipts of all its shards.

    InputError when there is no such run or it has no export yet; IntegrityError when a document is missing, damaged,
    of something else, or contradicts another.
    """
    record = find_run(store, names, run_id)
    if record is None:
        raise InputError(
            f"There is no run {run_id} of {names.pipeline} {names.day}.",
            why=f"{names.run(run_id)} is not in {store.url}.",
            fix="Look for a slip in --run-id, --day or staging.url; `penstock run` begins one.",
        )
    if (record.run_id, record.pipeline, record.day) != (run_id, names.pipeline, names.day):
        raise _foreign(names.run(run_id))
    manifest = read_manifest(store, names, read_run_export(store, names, run_id))
    if not manifest.shards:
        raise IntegrityError(f"The export {manifest.export_id} has no shard.", why="An empty day has empty shards.")
    receipts = _read_receipts(store, names, run_id, len(manifest.shards))
    faults = [
        fault
        for shard, receipt in enumerate(receipts)
        for fault in _faults(receipt, receipts[0], shard, names, (run_id, manifest.export_id))
    ]
    if faults:
        raise IntegrityError(
            f"The receipts of run {run_id} don't fit.",
            why="; ".join(faults[:_SHOWN]),
            fix="Nothing was loaded. Process the day again with `penstock reprocess`.",
        )
    columns, key = receipts[0].output_columns, receipts[0].key_columns
    ordered = (*key, *(name for name in columns if name not in key))
    schema = pl.Schema({name: parse_dtype(columns[name]) for name in ordered})
    return RunInputs(names, record, manifest, receipts, schema)


def _read_receipts(store: Store, names: DayNames, run_id: str, shards: int) -> tuple[Receipt, ...]:
    found = find_receipts(store, names, run_id, shards)
    if missing := [str(shard) for shard, receipt in enumerate(found) if receipt is None]:
        shown = ", ".join(missing[:_SHOWN]) + (", …" if len(missing) > _SHOWN else "")
        raise IntegrityError(
            f"{len(missing)} of {shards} shards of run {run_id} have no receipt: {shown}.",
            why="Their tasks have not ended, failed, or somebody deleted what they wrote.",
            fix="Nothing was loaded. `penstock run` for the same day processes what is missing.",
        )
    if store.find(names.receipt(run_id, shards)) is not None:
        raise IntegrityError(
            f"Run {run_id} has a receipt for shard {shards}, which its export does not have.",
            why=f"The manifest has {shards} shards.",
            fix="Nothing was loaded. Process the day again with `penstock reprocess`.",
        )
    return tuple(receipt for receipt in found if receipt is not None)


def _faults(receipt: Receipt, first: Receipt, shard: int, names: DayNames, of: tuple[str, str]) -> Iterator[str]:
    run_id, export_id = of
    place = names.receipt(run_id, shard)
    if (receipt.run_id, receipt.export_id, receipt.shard) != (run_id, export_id, shard):
        yield f"{place} is of run {receipt.run_id}, export {receipt.export_id}, shard {receipt.shard}"
    if receipt.part.name != names.part(run_id, shard):
        yield f"{place} names the part {receipt.part.name}"
    if receipt.part.rows != receipt.rows_out:
        yield f"{place} counts {receipt.rows_out} rows, its part {receipt.part.rows}"
    if _promises(receipt) != _promises(first):
        yield f"{place} tells of another transform, key, columns or conserved sums than the first one"
    for column in receipt.key_columns:
        if column not in receipt.output_columns:
            yield f"{place} has the key {column}, which is no column of it"
    if receipt.merge and receipt.merge.keys() != receipt.output_columns.keys() - set(receipt.key_columns):
        yield f"{place} does not say of every column how it is merged"


def _promises(receipt: Receipt) -> tuple[object, ...]:
    conserved = [(sum_.output, sum_.source) for sum_ in receipt.conserved]
    columns = list(receipt.output_columns.items())
    return receipt.transform, receipt.code, receipt.key, columns, conserved, receipt.merge


def _foreign(name: str) -> IntegrityError:
    return IntegrityError(f"{name} is of another run.", why="Somebody copied it there.", fix="Begin a new run.")
