"""The pause switch of a pipeline.

An object that a person turns by `penstock pause` and `unpause`, and exporters heed. It is replaced by generation and
never deleted; turned off it says so. It lies among the heads, because an account that may replace those (on GCS that
takes the right to delete) may replace it, and a lifecycle rule that spares them spares it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from staging.documents.document import Document, Instant
from staging.errors import GenerationChangedError, HeldError, ObjectExistsError
from staging.names import pause_switch
from staging.store import Store

_ATTEMPTS = 10


class PauseSwitch(Document):
    """Whether reading is paused, by whom, when and why.

    The time is by the clock of the person who turned the switch. `nonce` is new with every turn, so that a lost reply
    can be told from somebody else's turn.
    """

    pipeline: str
    paused: bool
    by: str
    since: Instant
    reason: str
    nonce: str

    def describe(self) -> str:
        """`paused by ada@laptop since 2026-11-24 18:00:00 UTC: stock taking`."""
        return f"{'paused' if self.paused else 'let go on'} {self._who()}" + (f": {self.reason}" if self.reason else "")

    def why(self) -> str:
        """Return who paused it, since when and why.

        `stock taking, by ada@laptop since 2026-11-24 18:00:00 UTC`: where the end of a line may be cut off.
        """
        return f"{self.reason}, {self._who()}" if self.reason else self._who()

    def _who(self) -> str:
        return f"by {self.by} since {self.since:%F %T} UTC"


@dataclass(frozen=True, slots=True)
class Turned:
    """The state of the switch now.

    `changed` is whether it was another before.
    """

    switch: PauseSwitch
    changed: bool


def read_pause_switch(store: Store, pipeline: str) -> PauseSwitch | None:
    """Return the state of the switch, or None.

    None where nobody ever turned it.
    """
    found = _read(store, pipeline)
    return found[0] if found else None


def turn_pause_switch(
    store: Store, pipeline: str, *, paused: bool, by: str, reason: str = "", now: datetime
) -> Turned | None:
    """Turn the switch unless it is that way already.

    Then the one who turned it stays in it. None: it is off and never was on.
    """
    name = pause_switch(pipeline)
    for _ in range(_ATTEMPTS):
        found = _read(store, pipeline)
        if found is None and not paused:
            return None
        if found is not None and found[0].paused == paused:
            return Turned(found[0], changed=False)
        switch = PauseSwitch(
            pipeline=pipeline, paused=paused, by=by, since=now, reason=reason, nonce=secrets.token_hex(8)
        )
        try:
            if found is None:
                store.create(name, switch.to_bytes())
            else:
                store.replace(name, switch.to_bytes(), generation=found[1])
        except (ObjectExistsError, GenerationChangedError):
            continue
        return Turned(switch, changed=True)
    raise HeldError(f"The pause switch of {pipeline} is turned faster than it can be read.", fix="Try again.")


def _read(store: Store, pipeline: str) -> tuple[PauseSwitch, int] | None:
    name = pause_switch(pipeline)
    if store.find(name) is None:
        return None
    data, info = store.read(name)
    return PauseSwitch.parse(data, name=name), info.generation
