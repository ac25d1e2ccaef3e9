"""Remembers when each day was compared with its source.

And what came of it. It lies among the heads, is replaced by generation, and can be lost: then days count as never
compared.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import date

from pydantic import Field

from staging.documents.document import Document, Instant, Part
from staging.errors import GenerationChangedError, IntegrityError, ObjectExistsError
from staging.names import comparisons
from staging.store import Store

_ATTEMPTS = 10
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
    days: dict[date, Comparison] = Field(default_factory=dict)
    nonce: str


def read_comparisons(store: Store, pipeline: str) -> dict[date, Comparison]:
    """Return the last comparison of each day that had one."""
    return _read(store, pipeline)[0]


def note_comparisons(store: Store, pipeline: str, found: Mapping[date, Comparison]) -> None:
    """Note them, each unless a later one is there.

    Left undone where others write all the time.
    """
    name = comparisons(pipeline)
    for _ in range(_ATTEMPTS if found else 0):
        before, generation = _read(store, pipeline)
        days = dict(before)
        for day, each in found.items():
            if day not in days or days[day].compared_at <= each.compared_at:
                days[day] = each
        kept = dict(sorted(days.items())[-_MOST_DAYS:])
        data = Comparisons(pipeline=pipeline, days=kept, nonce=secrets.token_hex(8)).to_bytes()
        try:
            if generation is None:
                store.create(name, data)
            else:
                store.replace(name, data, generation=generation)
        except (ObjectExistsError, GenerationChangedError):
            continue
        return


def _read(store: Store, pipeline: str) -> tuple[dict[date, Comparison], int | None]:
    name = comparisons(pipeline)
    info = store.find(name)
    if info is None:
        return {}, None
    try:
        data, info = store.read(name)
        return dict(Comparisons.parse(data, name=name).days), info.generation
    except IntegrityError:
        return {}, info.generation
