"""Compares days; the one compared longest ago comes first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

from exporter.compare.days import DayCompared, DayComparer
from staging.config.pipeline import Pipeline
from staging.documents.comparisons import Comparison, note_comparisons, read_last_tries
from staging.documents.exports import find_current_export
from staging.documents.manifest import Manifest
from staging.errors import InputError, PenstockError
from staging.names import DayNames
from staging.process.cancel import Cancel
from staging.redaction import redact
from staging.store import Store

_NEVER = datetime.min.replace(tzinfo=UTC)


def compare_days(
    pipeline: Pipeline,
    store: Store,
    days: Sequence[date],
    cancel: Cancel,
    *,
    budget_seconds: float | None,
    say: Callable[[str], None],
) -> list[DayCompared]:
    """Return the days in their order, each compared, and note when.

    So a budget too small for all of them reaches each in turn, even if one day alone uses it up. InputError for a
    pipeline whose source is no database. InterruptedRunError when asked to end; what was found until then is noted.
    """
    if not pipeline.source.is_database:
        raise InputError(
            f"{pipeline.name} reads no table, so there is nothing to compare its days with.",
            why="Rows and their sums are asked of a database.",
            fix="Read the days again: penstock backfill --fresh-export.",
        )
    last = read_last_tries(store, pipeline.name)
    order = sorted(days, key=lambda day: (last.get(day, _NEVER), day))

    def read_stored(day: date) -> Manifest | None:
        found = find_current_export(store, DayNames(pipeline.name, day))
        return found.manifest if found else None

    found: list[DayCompared] = []
    noted: dict[date, Comparison] = {}
    tried_at: dict[date, datetime] = {}
    try:
        for each in DayComparer(pipeline, store, cancel, budget_seconds).compare(order, read_stored):
            found.append(each)
            if each.stored is not None and each.error is None:
                noted[each.day] = Comparison(
                    export_id=each.stored.export_id, outcome=each.compared.outcome, compared_at=datetime.now(UTC)
                )
            elif each.server_seconds:
                tried_at[each.day] = datetime.now(UTC)
    finally:
        _note(store, pipeline.name, noted, tried_at, say)
    return sorted(found, key=lambda each: each.day)


def _note(
    store: Store,
    pipeline: str,
    noted: dict[date, Comparison],
    tried_at: dict[date, datetime],
    say: Callable[[str], None],
) -> None:
    """A note that can't be written changes nothing of what was found."""
    try:
        note_comparisons(store, pipeline, noted, tried_at)
    except PenstockError as error:
        say(f"when days were compared could not be noted: {redact(error.what)}")
