"""Processes one task's shards.

The shards of its index become parts, each with a receipt that makes it count.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from processor.assignment import Assignment
from processor.beside.shard import find_tables, with_rows_of
from processor.contract import Output, check_output
from processor.part import PartEncoder, encode_part, write_part
from processor.planned import plan_output
from processor.receipts import find_receipt, write_receipt
from processor.run_plan import run_plan
from processor.shard_checks import is_stray, plan_checks
from processor.shard_files import fetch_shard, local_paths
from processor.task import Task, plan_shards
from staging.documents.manifest import Shard
from staging.documents.run import Receipt
from staging.errors import InputError
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.shard_scan import scan_shard
from staging.store import Store


def process_task(
    store: Store,
    work: Assignment,
    task: Task,
    *,
    scratch: Path,
    cancel: Cancel,
    progress: Progress,
    say: Callable[[str], None],
) -> None:
    """Process the task's shards one after the other.

    A shard that has its receipt is left as it is. `scratch` is an empty local folder: it holds one shard at a time.
    Raises a PenstockError; then only the receipts written before count.
    """
    shards = plan_shards(work.manifest, task)
    expected_rows = sum(shard.rows for shard in shards)
    if not work.contract.conserves:
        say(f"The transform {work.transform_name} declares no sum: this run is not conserved.")
    rows = size_bytes = 0
    for shard in shards:
        cancel.check()
        receipt = find_receipt(store, work, shard)
        say(_sentence(receipt, "was done by an earlier attempt") if receipt else f"Shard {shard.shard} begins.")
        if receipt is None:
            receipt = process_shard(store, work, shard, scratch=scratch, cancel=cancel)
            say(_sentence(receipt, "is done"))
        rows += shard.rows
        size_bytes += sum(file.size_bytes for file in shard.files)
        progress.emit(rows=rows, size_bytes=size_bytes, expected_rows=expected_rows, last=shard is shards[-1])
    say(f"Task {task.index} of {task.count}: {len(shards)} shards, {rows} rows.")


def process_shard(store: Store, work: Assignment, shard: Shard, *, scratch: Path, cancel: Cancel) -> Receipt:
    """Prove what the shard becomes, then write it."""
    with PartEncoder() as encoder:
        output = prove_shard(store, work, shard, scratch=scratch, cancel=cancel, sorted_rows=encoder.begin)
        data = encoder.finish()
    part = write_part(store, work.names.part(work.run_id, shard.shard), data, output.rows.height, cancel)
    aside = None
    if (quarantine := output.quarantine).height:
        name = work.names.quarantine(work.run_id, shard.shard)
        aside = write_part(store, name, encode_part(quarantine), quarantine.height, cancel)
    cancel.check()
    return write_receipt(store, work, shard, output, part=part, quarantine=aside)


def prove_shard(
    store: Store,
    work: Assignment,
    shard: Shard,
    *,
    scratch: Path,
    cancel: Cancel,
    sorted_rows: Callable[[pl.DataFrame], None] = lambda _: None,
) -> Output:
    """Plan, fetch, run, prove.

    In this order, so that each fault shows before the next costs anything. `sorted_rows`: see `check_output`.
    """
    paths = local_paths(shard, scratch)
    rows = scan_shard(paths, work.day.schema)
    beside = find_tables(work, shard.shard, scratch)
    planned = plan_output(with_rows_of(work, beside), rows, [*paths, *(path for each in beside for path in each.paths)])
    checks = plan_checks(work, rows, planned.shared, shard)
    try:
        fetch_shard(store, shard, work.day.schema, paths)
        for table in beside:
            table.fetch(store)
        result = run_plan(planned, checks, {table.name: table.plan_checks(work) for table in beside}, work, cancel)
        return check_output(result, work, shard, sorted_rows)
    except InputError:
        # A shard that is not as it should be is the cause, not the transform.
        checks.verify_alone(is_stray(work, shard))
        for table in beside:
            table.verify_alone(work)
        raise
    finally:
        for path in (*paths, *(path for each in beside for path in each.paths)):
            path.unlink(missing_ok=True)


def _sentence(receipt: Receipt, state: str) -> str:
    aside = f", {receipt.rows_quarantined} in quarantine" if receipt.rows_quarantined else ""
    return f"Shard {receipt.shard} {state}: {receipt.rows_in} rows in, {receipt.rows_out} out{aside}."
