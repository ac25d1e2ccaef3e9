"""The loader's job.

Prove the parts, stage them, replace the day in one transaction, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime

from loader.attempts import Attempts
from loader.conservation import check_declared_sums
from loader.load_once import Load, load_once
from loader.open_database import open_database
from loader.outcome import Outcome
from loader.parquet.target import load_files
from loader.refusals import Permission
from loader.replace_day import CommitUnknownError
from loader.run_inputs import read_run_inputs
from loader.target.errors import ConnectionLostError, ContendedError, ReadOnlyError
from staging.config.pipeline import Pipeline
from staging.errors import ObjectExistsError, UnavailableError
from staging.names import MAX_SHARDS, DayNames
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.store import Store


def load_day(
    pipeline: Pipeline,
    day: date,
    run_id: str,
    *,
    store: Store,
    now: Callable[[], datetime],
    cancel: Cancel,
    say: Callable[[str], None],
    allow_older: bool = False,
    adopt_head: str | None = None,
    accept_change: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Make the target's day exactly what the run's parts say.

    The ledger says it, too. `say` gets one line for people per step. `allow_older` lets an export replace a newer one;
    `adopt_head` is the head_id of this run where the ledger names another one; `accept_change` loads a day of a doubted
    size. Raises InputError, UnavailableError, HeldError or IntegrityError; after each of them the target is as it was
    before.
    """
    inputs = read_run_inputs(store, DayNames(pipeline.name, day), run_id)
    check_declared_sums(inputs)
    permission = Permission(allow_older, adopt_head, accept_change)
    load = Load(pipeline, inputs, store, permission, now, cancel, say, progress or Progress())
    outcome = _load_table(load) if pipeline.target.parquet is None else load_files(pipeline.target.parquet, load)
    _note_loaded(store, inputs.names, outcome, say)
    note = "already loaded" if outcome.already else "loaded"
    load.progress.emit(rows=outcome.loaded.rows, expected_rows=inputs.rows, note=note, last=True)
    return outcome


def _load_table(load: Load) -> Outcome:
    attempts = Attempts(load.cancel, load.say)
    while True:
        try:
            load.progress.begin("connect")
            with open_database(load.pipeline) as database:
                return load_once(database, load, attempts)
        except CommitUnknownError as lost:
            load.unresolved = lost
            attempts.wait_after(lost)
        except (ConnectionLostError, ContendedError, ReadOnlyError) as error:
            attempts.wait_after(error)


def _note_loaded(store: Store, names: DayNames, outcome: Outcome, say: Callable[[str], None]) -> None:
    """Create `loaded.json`, a note for people who look into the bucket; only the ledger decides.

    A run loads a day once. If the target has lost that since, restored from a backup, the same run loads it again, and
    each further load leaves a note of its own, so that its starter knows. An earlier note stays as it is, and the day
    is loaded with or without it.
    """
    run_id, data = outcome.loaded.run_id, outcome.loaded.to_bytes()
    for name in _note_names(names, run_id):
        try:
            store.create(name, data)
        except ObjectExistsError:
            if outcome.already:
                return
        except UnavailableError as error:
            say(f"warning: the day is loaded, but {name} could not be written: {error.what}")
            return
        else:
            return


def _note_names(names: DayNames, run_id: str) -> Iterator[str]:
    yield names.loaded(run_id)
    for number in range(MAX_SHARDS):
        yield names.reloaded(run_id, number)
