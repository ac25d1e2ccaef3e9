"""Gives a run an export that it can use again.

The day's current one. Nothing here connects to the source.
"""

from __future__ import annotations

from datetime import datetime

from staging.config.pipeline import Pipeline
from staging.documents.exports import find_current_export, read_run_export
from staging.documents.run import RunExport, RunRecord
from staging.documents.same_question import check_same_question
from staging.documents.stored_days import is_outdated
from staging.errors import ObjectExistsError
from staging.names import DayNames
from staging.store import Store


def reuse_current_export(
    store: Store, names: DayNames, record: RunRecord, pipeline: Pipeline, *, now: datetime
) -> RunExport | None:
    """Settle the run on the day's current export.

    None where there is none or the run wants a fresh one. None, too, where that export was read before its day was
    over, and the day is over now.

    InputError when that export answers another question than the pipeline asks now.
    """
    stored = None if record.fresh_export else find_current_export(store, names)
    if stored is None or stored.manifest.is_stale(now):
        return None
    check_same_question(stored.manifest, pipeline.source)
    if is_outdated(store, stored.manifest, pipeline):
        return None
    return settle_run_export(store, names, stored.for_run(record.run_id))


def settle_run_export(store: Store, names: DayNames, export: RunExport) -> RunExport:
    """Write the run's `export.json`.

    Two attempts may race: the first one wins, the other adopts what it wrote.
    """
    try:
        store.create(names.run_export(export.run_id), export.to_bytes())
    except ObjectExistsError:
        return read_run_export(store, names, export.run_id)
    return export
