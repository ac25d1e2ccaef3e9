"""The loader's note of a day of one row."""

from __future__ import annotations

from datetime import date, datetime

from staging.documents.run import Loaded


def note_of_one_row(day: date, loaded_at: datetime, *, run_id: str = "r01", export_id: str = "e01") -> Loaded:
    """Return `loaded.json` of a run that inserted one row."""
    return Loaded(
        run_id=run_id,
        export_id=export_id,
        fence=1,
        day=day,
        rows=1,
        inserted=1,
        updated=0,
        deleted=0,
        totals={},
        digest="0" * 64,
        loaded_at=loaded_at,
    )
