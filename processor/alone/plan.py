"""Plans a transform without a shard.

It runs on a frame that has the columns and no rows. A typo needs no row to be found.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from processor.beside.tables import Tables, empty_tables
from processor.declaration import read_contract
from processor.planned import plan_output
from processor.transform import Contract, Day, Transform
from staging.shard_scan import scan_shard

_NOWHERE = Path("/nonexistent/penstock-shard-planned-alone.parquet")


@dataclass(frozen=True, slots=True)
class TransformAlone:
    """A transform and its promises for a day, apart from any run."""

    transform_name: str
    transform: Transform
    day: Day
    contract: Contract


def plan_alone(transform: Transform, day: Day, *, name: str) -> TransformAlone:
    """Ask what it promises, plan it, and compare.

    InputError as a task would raise it before it fetches a shard.
    """
    nowhere = Tables({table: scan_shard([_NOWHERE], schema) for table, schema in day.table_schemas.items()})
    contract = read_contract(transform, day.with_tables(empty_tables(day.table_schemas)), name=name)
    work = TransformAlone(name, transform, day.with_tables(nowhere), contract)
    plan_output(work, scan_shard([_NOWHERE], day.schema), [_NOWHERE])
    return work


def is_planned_alone(error: BaseException) -> bool:
    """Return whether code looked for the rows that are not there.

    It ran the frame instead of planning it.
    """
    return isinstance(error, FileNotFoundError) and _NOWHERE.name in str(error)
