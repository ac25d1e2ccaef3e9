"""Runs the pipeline's transform over one shard of a stored export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from processor.assignment import Assignment, assign
from processor.contract import Output
from processor.process_task import prove_shard
from staging.config.pipeline import Pipeline
from staging.documents.exports import find_current_export
from staging.errors import InputError, UsageError
from staging.names import DayNames
from staging.process.cancel import Cancel
from staging.store import Store

_NO_RUN = "tried"


@dataclass(frozen=True, slots=True)
class Trial:
    """What came out of one shard, proven as a task proves it."""

    work: Assignment
    shard: int
    output: Output


def try_shard(
    store: Store, pipeline: Pipeline, day: date, shard: int, folders: Sequence[Path], *, scratch: Path, cancel: Cancel
) -> Trial:
    """Return what the transform makes of one shard of the day's export.

    Shards count from 0; the store is only read. `scratch` is an empty local folder. Raises a PenstockError as a task
    would, and where there is no such shard.
    """
    names = DayNames(pipeline.name, day)
    stored = find_current_export(store, names)
    if stored is None:
        raise InputError(
            f"There is no export of {day} to try the transform on.",
            why=f"{store.url} holds none for the pipeline {pipeline.name}.",
            fix="Name a day that was read, which `penstock status` lists. `penstock doctor` plans a transform without.",
        )
    shards = stored.manifest.shards
    if shard >= len(shards):
        raise UsageError(
            f"The export of {day} has no shard {shard}.",
            why=f"Its shards are numbered from 0 to {len(shards) - 1}." if shards else "It has none.",
        )
    work = assign(stored.manifest, pipeline, names, _NO_RUN, folders)
    return Trial(work, shard, prove_shard(store, work, shards[shard], scratch=scratch, cancel=cancel))
