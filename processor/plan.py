"""Which shards a task takes."""

from __future__ import annotations

from processor.task import Task
from staging.documents.manifest import Manifest, Shard


def plan_shards(manifest: Manifest, task: Task) -> tuple[Shard, ...]:
    """Return shards i, i+T, i+2T, … for task i of T: every shard falls to one task, whatever T is.

    Tasks beyond the last shard get none. What a shard becomes does not depend on the task that takes it.
    """
    return manifest.shards[task.index :: task.count]
