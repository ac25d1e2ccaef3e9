"""Remembers when each day was last compared with its source.

And the result. It lies among the heads, is replaced by generation, and can be lost: then days count as never compared.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import date, datetime
from typing import TypeVar

from pydantic import Field

from staging.documents.document import Document, Instant, Part, WindowName
from staging.documents.memory import recall, remember
from staging.names import comparisons
from staging.store import Store

_MOST_DAYS = 4_000
Noted = TypeVar("Noted")


class Comparison(Part):
    """One day's last comparison.

    `export_id` is the export that was compared, `outcome` the result, as `penstock changed` has it.
    """

    export_id: str
    outcome: str
    compared_at: Instant


class Comparisons(Document):
    """The last comparison of each day.

    `tried_at` is when the server last worked for days that could not be judged.
    """

    pipeline: str
    days: dict[WindowName, Comparison] = Field(default_factory=dict)
    tried_at: dict[WindowName, Instant] = Field(default_factory=dict)
    nonce: str


def read_comparisons(store: Store, pipeline: str) -> dict[date, Comparison]:
    """Return the last comparison of each day that had one."""
    found = recall(store, comparisons(pipeline), Comparisons)
    return dict(found.days) if found else {}


def read_last_tries(store: Store, pipeline: str) -> dict[date, datetime]:
    """Return when each day was last compared, successfully or not."""
    found = recall(store, comparisons(pipeline), Comparisons)
    if found is None:
        return {}
    compared = {day: each.compared_at for day, each in found.days.items()}
    return compared | {day: max(at, compared.get(day, at)) for day, at in found.tried_at.items()}


def note_comparisons(
    store: Store, pipeline: str, found: Mapping[date, Comparison], tried_at: Mapping[date, datetime]
) -> None:
    """Note them, each unless a later one is there.

    Not done if others write all the time.
    """

    def with_found(before: Comparisons | None) -> Comparisons | None:
        days = dict(before.days) if before else {}
        for day, each in found.items():
            if day not in days or days[day].compared_at <= each.compared_at:
                days[day] = each
        tried = dict(before.tried_at) if before else {}
        tried |= {day: max(at, tried.get(day, at)) for day, at in tried_at.items()}
        if not found and not tried_at:
            return None
        return Comparisons(pipeline=pipeline, days=_newest(days), tried_at=_newest(tried), nonce=secrets.token_hex(8))

    remember(store, comparisons(pipeline), Comparisons, with_found)


def _newest(days: Mapping[date, Noted]) -> dict[date, Noted]:
    return dict(sorted(days.items())[-_MOST_DAYS:])
