"""Receipts: a part counts when it has one, not before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import polars as pl

from processor.assignment import Assignment
from processor.contract import Output
from processor.part import not_deterministic
from staging.control_sums import parse_money
from staging.documents import run_notes
from staging.documents.manifest import Shard, ShardFile
from staging.documents.run import Receipt
from staging.dtypes import format_dtype
from staging.errors import InputError, IntegrityError, ObjectExistsError
from staging.key import spell_key
from staging.manifest_sums import sum_of_shard
from staging.store import Store

ENGINE = f"polars {pl.__version__}"


def find_receipt(store: Store, work: Assignment, shard: Shard) -> Receipt | None:
    """Return the shard's receipt of this run, or None.

    A receipt that does not hold is an error. It holds when it is of this export and transform, counts the manifest's
    rows and sums, and its objects are there.
    """
    names, run_id, transform = work.names, work.run_id, work.transform_name
    name = names.receipt(run_id, shard.shard)
    receipt = run_notes.find_receipt(store, names, run_id, shard.shard)
    if receipt is None:
        return None
    if receipt.transform != transform:
        raise InputError(
            f"Shard {shard.shard} of the run {run_id} was processed by {receipt.transform}, not by {transform}.",
            why="The pipeline was changed in the middle of the run, and a run has one transform.",
            fix="Start a new run: penstock reprocess.",
        )
    if None not in (receipt.code, work.code) and receipt.code != work.code:
        raise InputError(
            f"Shard {shard.shard} of the run {run_id} was processed by another version of {transform}.",
            why=f"Its module had the SHA-256 {receipt.code} then and has {work.code} now, and a run has one transform.",
            fix="Start a new run: penstock reprocess.",
        )
    faults = [
        *([f"it is of the run {receipt.run_id}"] if receipt.run_id != run_id else []),
        *([f"it is of the export {receipt.export_id}"] if receipt.export_id != work.manifest.export_id else []),
        *([f"it is of shard {receipt.shard}"] if receipt.shard != shard.shard else []),
        *([f"it read {receipt.rows_in} rows of {shard.rows}"] if receipt.rows_in != shard.rows else []),
        *_sum_faults(receipt, shard, work),
        *_object_faults(store, receipt.part, names.part(run_id, shard.shard)),
        *_object_faults(store, receipt.quarantine, names.quarantine(run_id, shard.shard)),
    ]
    if faults:
        raise IntegrityError(
            f"{name} does not hold.", why="; ".join(faults), fix="Start a new run: penstock reprocess."
        )
    return receipt


def write_receipt(
    store: Store, work: Assignment, shard: Shard, output: Output, *, part: ShardFile, quarantine: ShardFile | None
) -> Receipt:
    """Make the part count.

    Another attempt's equal receipt is as good; a different one is an IntegrityError.
    """
    receipt = Receipt(
        run_id=work.run_id,
        export_id=work.manifest.export_id,
        shard=shard.shard,
        rows_in=output.counts.rows,
        rows_out=output.rows.height,
        rows_quarantined=output.quarantine.height,
        quarantine_reasons=dict(output.reasons),
        part=part,
        quarantine=quarantine,
        output_columns={name: format_dtype(dtype) for name, dtype in work.contract.schema.items()},
        key=spell_key(work.contract.key_columns),
        conserved=output.conserved,
        transform=work.transform_name,
        engine=ENGINE,
        merge=dict(work.contract.merge),
        code=work.code,
    )
    name, data = work.names.receipt(work.run_id, shard.shard), receipt.to_bytes()
    try:
        store.create(name, data)
    except ObjectExistsError as exc:
        raise not_deterministic(store, name, hashlib.sha256(data).hexdigest()) from exc
    return receipt


def _sum_faults(receipt: Receipt, shard: Shard, work: Assignment) -> Iterator[str]:
    for kept in receipt.conserved:
        if (exported := sum_of_shard(work.manifest, shard.shard, kept.source)) is None:
            continue  # no sum of a foreign file is counted beforehand
        if parse_money(kept.shard, 38) != parse_money(exported, 38):
            yield f"it sums {kept.source} to {kept.shard}, the manifest to {exported}"


def _object_faults(store: Store, file: ShardFile | None, name: str) -> list[str]:
    if file is None:
        return []
    if file.name != name:
        return [f"it names {file.name}"]
    info = store.find(name)
    if info is None:
        return [f"{name} is gone"]
    found, expected = (info.generation, info.size_bytes, info.crc32c), (file.generation, file.size_bytes, file.crc32c)
    return [] if found == expected else [f"{name} is another object than it names"]
