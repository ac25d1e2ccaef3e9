"""Reads from the bucket how far a day is.

By the documents alone: any machine sees the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from staging.documents.head import read_head
from staging.documents.run import Loaded, RunRecord
from staging.documents.run_notes import find_loaded
from staging.documents.run_start import find_run
from staging.names import DayNames
from staging.store import Store


@dataclass(frozen=True, slots=True)
class DayState:
    """The day's last run.

    `run` is None where none was begun, or where it died before it said what it was asked to do. `has_export`: it has
    settled on an export. `loaded` is the loader's note, None before it. `failed`: it met an error that the same attempt
    would meet again. `export_id` is the day's current export, whichever run read it.
    """

    run: RunRecord | None = None
    has_export: bool = False
    loaded: Loaded | None = None
    failed: bool = False
    export_id: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether the last run has loaded the day's current export.

        As the bucket has it; the ledger decides.
        """
        return self.loaded is not None and self.loaded.export_id == self.export_id


def read_day_state(store: Store, names: DayNames) -> DayState:
    """Read head, run and notes of the day."""
    found = read_head(store, names)
    if found is None:
        return DayState()
    head = found[0]
    run = find_run(store, names, head.run_id) if head.run_id else None
    if run is None:
        return DayState(export_id=head.export_id)
    return DayState(
        run=run,
        has_export=store.find(names.run_export(run.run_id)) is not None,
        loaded=find_loaded(store, names, run.run_id),
        failed=head.run_failed,
        export_id=head.export_id,
    )
