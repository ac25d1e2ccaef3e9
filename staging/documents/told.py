"""Remembers of which days a webhook has heard.

That they failed or are late: so it hears of each once, and of their recovery. It lies among the heads, is replaced by
generation, and can be lost: then something is told twice, or its end is not.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import date

from pydantic import Field

from staging.documents.document import Document
from staging.errors import GenerationChangedError, IntegrityError, ObjectExistsError
from staging.names import told_troubles
from staging.store import Store

_ATTEMPTS = 10
Troubles = dict[date, tuple[str, ...]]


class Told(Document):
    """The days that are in trouble, and which kinds of it.

    As far as a webhook knows: `failure`, `late`.
    """

    pipeline: str
    days: dict[date, tuple[str, ...]] = Field(default_factory=dict)
    nonce: str


def change_told(store: Store, pipeline: str, change: Callable[[Troubles], Troubles]) -> None:
    """Write what `change` makes of it, unless that is the same.

    Left as it is where others write all the time.
    """
    name = told_troubles(pipeline)
    for _ in range(_ATTEMPTS):
        before, generation = _read(store, pipeline)
        after = change(before)
        if after == before:
            return
        data = Told(pipeline=pipeline, days=dict(sorted(after.items())), nonce=secrets.token_hex(8)).to_bytes()
        try:
            if generation is None:
                store.create(name, data)
            else:
                store.replace(name, data, generation=generation)
        except (ObjectExistsError, GenerationChangedError):
            continue
        return


def _read(store: Store, pipeline: str) -> tuple[Troubles, int | None]:
    name = told_troubles(pipeline)
    info = store.find(name)
    if info is None:
        return {}, None
    try:
        data, info = store.read(name)
        return dict(Told.parse(data, name=name).days), info.generation
    except IntegrityError:
        return {}, info.generation
