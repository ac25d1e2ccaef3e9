"""Remembers when each day was compared with its source.

And what came of it. It lies among the heads, is replaced by generation, and can be lost: then days count as never
compared.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import date

from pydantic import Field

from staging.documents.document import Document, Instant, Part, WindowName
from staging.documents.memory import recall, remember
from staging.names import comparisons
from staging.store import Store

_MOST_DAYS = 4_000


class Comparison(Part):
    """One day's last comparison.

    `export_id` is the export that was compared, `outcome` what came of it, as `penstock changed` has it.
    """

    export_id: str
    outcome: str
    compared_at: Instant


class Comparisons(Document):
    """The last comparison of each day."""

    pipeline: str
    days: dict[WindowName, Comparison] = Field(default_factory=dict)
    nonce: str


def read_comparisons(store: Store, pipeline: str) -> dict[date, Comparison]:
    """Return the last comparison of each day that had one."""
    found = recall(store, comparisons(pipeline), Comparisons)
    return dict(found.days) if found else {}


def note_comparisons(store: Store, pipeline: str, found: Mapping[date, Comparison]) -> None:
    """Note them, each unless a later one is there.

    Left undone where others write all the time.
    """

    def with_found(before: Comparisons | None) -> Comparisons | None:
        days = dict(before.days) if before else {}
        for day, each in found.items():
            if day not in days or days[day].compared_at <= each.compared_at:
                days[day] = each
        kept = dict(sorted(days.items())[-_MOST_DAYS:])
        return Comparisons(pipeline=pipeline, days=kept, nonce=secrets.token_hex(8)) if found else None

    remember(store, comparisons(pipeline), Comparisons, with_found)
