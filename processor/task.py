"""Reads which task of the job this process is.

Cloud Run says it.

https://cloud.google.com/run/docs/container-contract#jobs-env-vars
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from staging.config.pipeline import MAX_TASKS
from staging.documents.manifest import Manifest, Shard
from staging.errors import InputError

INDEX = "CLOUD_RUN_TASK_INDEX"
COUNT = "CLOUD_RUN_TASK_COUNT"
ATTEMPT = "CLOUD_RUN_TASK_ATTEMPT"
MAX_ATTEMPT = 10  # Cloud Run retries a task ten times at most
_WHOLE_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")  # ASCII only: int() would also take other digits, " 1" and "1_0"


@dataclass(frozen=True, slots=True)
class Task:
    """Task `index` (from 0) of `count`, in its attempt `attempt` (from 0)."""

    index: int
    count: int
    attempt: int


def read_task(environ: Mapping[str, str]) -> Task:
    """Return the task of this environment; one InputError that names every fault."""
    faults: list[str] = []
    index = _read_number(environ, INDEX, 0, MAX_TASKS - 1, faults)
    count = _read_number(environ, COUNT, 1, MAX_TASKS, faults)
    attempt = _read_number(environ, ATTEMPT, 0, MAX_ATTEMPT, faults)
    if index is not None and count is not None and index >= count:
        faults.append(f"{INDEX} is {index}, which must be below {COUNT}, {count}")
    if faults or index is None or count is None or attempt is None:
        raise InputError(
            f"The task environment is wrong: {'; '.join(faults)}.",
            why="A processor runs as one task of a Cloud Run job and takes the shards of its index.",
            fix=f"Start it by `penstock run`, or set {INDEX}=0, {COUNT}=1 and {ATTEMPT}=0 to process all shards here.",
        )
    return Task(index, count, attempt)


def _read_number(environ: Mapping[str, str], name: str, low: int, high: int, faults: list[str]) -> int | None:
    text = environ.get(name)
    if text is None:
        faults.append(f"{name} is not set")
        return None
    if not _WHOLE_NUMBER.fullmatch(text) or not low <= int(text) <= high:
        faults.append(f"{name} is {text[:20]!r}, not a whole number from {low} to {high}")
        return None
    return int(text)


def plan_shards(manifest: Manifest, task: Task) -> tuple[Shard, ...]:
    """Return shards i, i+T, i+2T, … for task i of T.

    Every shard falls to one task, whatever T is. Tasks beyond the last shard get none. What a shard becomes does not
    depend on the task that takes it.
    """
    return manifest.shards[task.index :: task.count]
