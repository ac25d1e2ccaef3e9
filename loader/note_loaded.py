"""Writes `loaded.json`: a note for whoever looks into the bucket. Only the ledger decides."""

from __future__ import annotations

from collections.abc import Callable

from staging.errors import ObjectExistsError, UnavailableError
from staging.names import DayNames
from staging.run_documents import Loaded
from staging.store import Store


def note_loaded(store: Store, names: DayNames, loaded: Loaded, say: Callable[[str], None]) -> None:
    """Create the note; an earlier attempt's stays as it is. The day is loaded with or without it."""
    name = names.loaded(loaded.run_id)
    try:
        store.create(name, loaded.to_bytes())
    except ObjectExistsError:
        return
    except UnavailableError as error:
        say(f"warning: the day is loaded, but {name} could not be written: {error.what}")
