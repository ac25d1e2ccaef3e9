"""Checks that every shard was processed.

A job that reports success must have left its receipts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from staging.config.pipeline import Pipeline
from staging.documents.run import Receipt
from staging.documents.run_notes import find_receipts
from staging.errors import InputError, IntegrityError
from staging.names import DayNames
from staging.process.author_module import find_file_digest
from staging.store import Store

_SHOWN = 5


def read_receipts(store: Store, names: DayNames, run_id: str, shards: int) -> list[Receipt]:
    """Return the receipts of all shards in their order.

    IntegrityError when one is missing.
    """
    found = find_receipts(store, names, run_id, shards)
    _check_whole([shard for shard, receipt in enumerate(found) if receipt is None], names, run_id)
    return [receipt for receipt in found if receipt is not None]


def check_same_transform(receipts: Sequence[Receipt], pipeline: Pipeline) -> None:
    """Raise InputError where another transform processed the shards.

    Another one than the pipeline names now.
    """
    for receipt in receipts:
        if receipt.transform != pipeline.process.name:
            raise InputError(
                f"Shard {receipt.shard} of the run {receipt.run_id} was processed by {receipt.transform}.",
                why=f"The pipeline has {pipeline.process.name} now, and a run has one transform.",
                fix="Process the stored export again: penstock reprocess.",
            )


def describe_other_transform(receipts: Sequence[Receipt], pipeline: Pipeline, folders: Sequence[Path]) -> str:
    """Return a sentence where a loaded day had another transform, else nothing.

    Its name differs, or its module's file in these folders. What is done stays as it is until somebody asks for it.
    """
    name = pipeline.process.name
    if others := sorted({receipt.transform for receipt in receipts} - {name}):
        return (
            f"warning: {receipts[0].run_id} was processed by {', '.join(others)}, and the pipeline has {name} now; "
            "`penstock reprocess` applies it."
        )
    codes = {receipt.code for receipt in receipts} - {None}
    if pipeline.process.sql is not None or not codes or (here := find_file_digest(name, folders)) in (None, *codes):
        return ""
    return (
        f"warning: {receipts[0].run_id} was processed by {name} of a module with the SHA-256 "
        f"{', '.join(map(str, codes))}, and the one beside the pipeline file has {here} now; "
        "`penstock reprocess` applies it."
    )


def _check_whole(missing: Sequence[int], names: DayNames, run_id: str) -> None:
    if not missing:
        return
    listed = ", ".join(map(str, missing[:_SHOWN])) + (", …" if len(missing) > _SHOWN else "")
    raise IntegrityError(
        f"The processor ended well, but {len(missing)} of its receipts are missing.",
        why=f"Shards without one: {listed} (for example {names.receipt(run_id, missing[0])}). Either something ended "
        "the task's process early, as `os._exit` in a transform does, or objects were deleted.",
        fix="Nothing was loaded. Return or raise in the transform, never end the process there. If it does not, look "
        "for who deletes objects in the bucket; then run the same command again.",
    )
