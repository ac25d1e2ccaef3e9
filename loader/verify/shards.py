"""Reads back what a run rests on and no load opens.

Shards, and rows that were set aside.
"""

from __future__ import annotations

import polars as pl

from loader.conservation import add_up, raise_if_any
from loader.parts import fetch_objects
from loader.run_inputs import RunInputs
from staging.control_sums import parse_money, scale_of
from staging.dtypes import schema_of
from staging.process.cancel import Cancel
from staging.store import Store


def verify_shards(store: Store, inputs: RunInputs, cancel: Cancel) -> str:
    """Prove every shard's files whole, and their rows and sums.

    They must be those of the manifest. Returns what was compared.
    """
    schema = schema_of(inputs.manifest.columns)
    files = [file for shard in inputs.manifest.shards for file in shard.files]
    shard_of = {file.name: shard.shard for shard in inputs.manifest.shards for file in shard.files}
    rows = dict.fromkeys(range(len(inputs.manifest.shards)), 0)
    sums = {(shard, column): 0 for shard in rows for column in inputs.manifest.sums}
    for file, path in fetch_objects(store, files, cancel):
        shard = shard_of[file.name]
        frame = pl.read_parquet(path, glob=False, columns=list(inputs.manifest.sums) or list(schema)[:1])
        rows[shard] += frame.height
        for column in inputs.manifest.sums:
            sums[shard, column] += add_up(frame.get_column(column))
    faults = [
        f"shard {shard.shard} has {rows[shard.shard]} rows, the manifest says {shard.rows}"
        for shard in inputs.manifest.shards
        if rows[shard.shard] != shard.rows
    ]
    faults += [
        f"shard {shard.shard}: {column} does not add up to {total}"
        for shard in inputs.manifest.shards
        for column, total in shard.sums.items()
        if sums[shard.shard, column] != parse_money(total, scale_of(schema[column]))
    ]
    raise_if_any(faults, "Shards are not what the manifest says.")
    return (
        f"{len(rows)} shards, {sum(file.size_bytes for file in files)} bytes: digests, rows and sums are the manifest's"
    )


def verify_quarantine(store: Store, inputs: RunInputs, cancel: Cancel) -> str:
    """Prove the files of quarantined rows whole.

    Returns what was compared.
    """
    files = [receipt.quarantine for receipt in inputs.receipts if receipt.quarantine is not None]
    found = 0
    for _, path in fetch_objects(store, files, cancel):
        found += pl.read_parquet(path, glob=False).height
    told = sum(receipt.rows_quarantined for receipt in inputs.receipts)
    raise_if_any([f"{found} rows are there, the receipts count {told}"] if found != told else [], "Quarantine differs.")
    return f"{told} rows were set aside"
