"""Remembers the days that a webhook was notified of.

That they failed or are late: so each is reported once, and its recovery, too. It lies among the heads, is replaced by
generation, and can be lost: then something is reported twice, or its end is not.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import date

from pydantic import Field

from staging.documents.document import Document, WindowName
from staging.documents.memory import remember
from staging.names import told_troubles
from staging.store import Store

Troubles = dict[date, tuple[str, ...]]


class Told(Document):
    """The days that are in trouble, and which kinds of it.

    As far as a webhook knows: `failure`, `late`.
    """

    pipeline: str
    days: dict[WindowName, tuple[str, ...]] = Field(default_factory=dict)
    nonce: str


def change_told(store: Store, pipeline: str, change: Callable[[Troubles], Troubles]) -> None:
    """Write what `change` makes of it, unless that is the same.

    Left as it is if others write all the time.
    """

    def changed(told: Told | None) -> Told | None:
        before = dict(told.days) if told else {}
        after = change(before)
        days = dict(sorted(after.items()))
        return None if after == before else Told(pipeline=pipeline, days=days, nonce=secrets.token_hex(8))

    remember(store, told_troubles(pipeline), Told, changed)
