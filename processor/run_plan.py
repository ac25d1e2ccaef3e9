"""Runs a transform's plan and the checks of its shard.

One scan feeds both, with bounded memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from processor.assignment import Assignment
from processor.planned import Planned, quarantine_schema
from processor.shard_checks import ShardChecks, ShardCounts
from processor.user_code import user_code
from staging.process.cancel import Cancel


@dataclass(frozen=True, slots=True)
class Result:
    """What a transform made of a shard, not yet checked.

    And what was counted in the shard.
    """

    rows: pl.DataFrame
    quarantine: pl.DataFrame
    counts: ShardCounts
    tables: Mapping[str, ShardCounts]


def run_plan(
    planned: Planned, checks: ShardChecks, beside: Mapping[str, ShardChecks], work: Assignment, cancel: Cancel
) -> Result:
    """Run all frames together; polars reads what they share once.

    IntegrityError when the shard is not as it should be. Only results are held whole: an output has at most a row a
    key, and polars' streaming engine holds no more of the shard than it works on, unless the transform itself needs it
    all (a sort, a window function).
    """
    quarantine = planned.quarantine
    answers = [planned.rows] if quarantine is None else [planned.rows, quarantine]
    with user_code(work.transform_name, "failed while it ran"):
        frames = [frame for each in (checks, *beside.values()) for frame in each.frames()]
        results = pl.collect_all([*answers, *frames], engine="streaming")
    cancel.check()  # polars may end early and without an error when it is interrupted
    aside = pl.DataFrame(schema=quarantine_schema(work.day)) if quarantine is None else results[1]
    counted = iter(results[len(answers) :])
    counts = checks.verify([next(counted) for _ in checks.frames()])
    tables = {name: each.verify([next(counted) for _ in each.frames()]) for name, each in beside.items()}
    return Result(results[0], aside, counts, tables)
