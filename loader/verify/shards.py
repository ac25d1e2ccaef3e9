"""Reads back what a run depends on and no load opens.

Shards of all tables, and rows that were set aside.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from loader.conservation import add_up, raise_if_any
from loader.parts import fetch_objects
from loader.run_inputs import RunInputs
from staging.control_sums import parse_money, scale_of
from staging.documents.manifest import Manifest, TableExport
from staging.dtypes import schema_of
from staging.process.cancel import Cancel
from staging.store import Store


def verify_shards(store: Store, inputs: RunInputs, cancel: Cancel) -> str:
    """Prove every shard's files whole, and their rows and sums.

    They must be those of the manifest, of each table. Returns what was compared.
    """
    tables: list[Manifest | TableExport] = [inputs.manifest, *inputs.manifest.tables]
    faults = [fault for table in tables for fault in _find_faults(store, table, cancel)]
    raise_if_any(faults, "Shards are not what the manifest says.")
    size_bytes = sum(file.size_bytes for table in tables for shard in table.shards for file in shard.files)
    shards = len(inputs.manifest.shards)
    of = "".join(f" and {table.name}" for table in inputs.manifest.tables)
    return (
        f"{shards:,} shard{'s' * (shards != 1)}{of and ' of the leading table'}{of}, {size_bytes:,} bytes: "
        "digests, rows and sums are the manifest's"
    )


def _find_faults(store: Store, table: Manifest | TableExport, cancel: Cancel) -> Iterator[str]:
    schema, of = schema_of(table.columns), f" of {table.name}" if isinstance(table, TableExport) else ""
    files = [file for shard in table.shards for file in shard.files]
    shard_of = {file.name: shard.shard for shard in table.shards for file in shard.files}
    rows = dict.fromkeys(range(len(table.shards)), 0)
    sums = {(shard, column): 0 for shard in rows for column in table.sums}
    for file, path in fetch_objects(store, files, cancel):
        shard = shard_of[file.name]
        frame = pl.read_parquet(path, glob=False, columns=list(table.sums) or list(schema)[:1])
        rows[shard] += frame.height
        for column in table.sums:
            sums[shard, column] += add_up(frame.get_column(column))
    for each in table.shards:
        if rows[each.shard] != each.rows:
            yield f"shard {each.shard}{of} has {rows[each.shard]} rows, the manifest says {each.rows}"
    for each in table.shards:
        for column, total in each.sums.items():
            if sums[each.shard, column] != parse_money(total, scale_of(schema[column])):
                yield f"shard {each.shard}{of}: {column} does not add up to {total}"


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
