"""Writes `loaded.json`, a note for people who look into the bucket.

Only the ledger decides. A run loads a day once. Where the target has lost that since, restored from a backup, the same
run loads it again, and each further load leaves a note of its own, so that whoever asked for it can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from loader.outcome import Outcome
from staging.errors import ObjectExistsError, UnavailableError
from staging.names import MAX_SHARDS, DayNames
from staging.store import Store


def note_loaded(store: Store, names: DayNames, outcome: Outcome, say: Callable[[str], None]) -> None:
    """Create the note; an earlier one stays as it is.

    The day is loaded with or without it.
    """
    run_id, data = outcome.loaded.run_id, outcome.loaded.to_bytes()
    for name in _names(names, run_id):
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


def _names(names: DayNames, run_id: str) -> Iterator[str]:
    yield names.loaded(run_id)
    for number in range(MAX_SHARDS):
        yield names.reloaded(run_id, number)
