"""Proves of many loaded days that the target still has them.

All by one connection, and nothing is written. Each day is proven as by a load: its parts by their documents, the
ledger's row, every row of the target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime

from loader.conservation import check_declared_sums
from loader.load_once import Load, ledger_row
from loader.open_database import open_database
from loader.refusals import Permission
from loader.replace_day import DayLoad, is_loaded
from loader.run_inputs import read_run_inputs
from loader.stage_parts import stage_parts
from loader.target.database import Database
from loader.target.interrupting import interrupting
from loader.target.ledger import read_ledger_row
from loader.target.preflight import check_target
from staging.config.pipeline import Pipeline
from staging.errors import InputError
from staging.names import DayNames, check_id
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.store import Store
from staging.window import parse_day


def parse_loaded(text: str) -> tuple[date, str]:
    """Return day and run of `DAY=RUN`."""
    day, _, run_id = text.partition("=")
    return parse_day(day), check_id(run_id, of="run id")


def check_still_loaded(
    pipeline: Pipeline,
    loaded: Sequence[tuple[date, str]],
    *,
    store: Store,
    now: Callable[[], datetime],
    cancel: Cancel,
    say: Callable[[str], None],
    progress: Progress,
) -> None:
    """Raise InputError at the first day that was changed since.

    `loaded` are days, each with its run. Any other error is one that a load of that day could raise.
    """
    progress.begin("connect")
    with open_database(pipeline) as database, interrupting(database, cancel):
        for day, run_id in loaded:
            cancel.check()
            inputs = read_run_inputs(store, DayNames(pipeline.name, day), run_id)
            check_declared_sums(inputs)
            load = Load(pipeline, inputs, store, Permission(), now, cancel, say, Progress())
            if not _is_still_loaded(database, load):
                raise InputError(
                    f"{day} is not as the run {run_id} has loaded it.",
                    why="Its rows, or its row of the ledger, were changed since.",
                    fix="Load it: penstock run.",
                )
    progress.emit(note=f"{len(loaded)} days are as they were loaded", last=True)


def _is_still_loaded(database: Database, load: Load) -> bool:
    inputs = load.inputs
    target = check_target(database, load.pipeline, inputs.schema, inputs.key)
    found = read_ledger_row(database, target.ledger, target.table, inputs.names.day)
    if found is None or found.run_id != inputs.record.run_id:
        return False
    staged, content = stage_parts(database, target, load.store, inputs, cancel=load.cancel, progress=load.progress)
    ours = ledger_row(load, content, target.table.schema, target.table.name)
    return is_loaded(database, staged, content, DayLoad(target, ours, load.permission, load.cancel, load.say))
