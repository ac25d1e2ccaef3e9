"""Waits for the lease of a holder that may be dead: a chain that was killed can't give its day back.

Whoever lives renews its lease within seconds, and then nothing is waited for.
"""

from __future__ import annotations

from collections.abc import Callable

from staging.cancel import Cancel
from staging.day_head import find_head
from staging.lease import lease_end
from staging.names import DayNames
from staging.store import Store

_POLL_SECONDS = 1.0


def await_dead_holder(store: Store, names: DayNames, cancel: Cancel, say: Callable[[str], None]) -> None:
    """Return when the day's lease is over or was given back, or as soon as its holder is seen to live."""
    told = False
    first = find_head(store, names)
    while first is not None and (lease := first[0].lease) is not None:
        if store.now() > lease_end(lease, first[1]):
            return
        if not told:
            told = True
            say(f"held by {lease.holder}; waiting until {lease_end(lease, first[1]):%T} UTC in case it has died")
        cancel.wait(_POLL_SECONDS)
        now = find_head(store, names)
        if now is None or now[0].lease is None or now[1].generation != first[1].generation:
            return
