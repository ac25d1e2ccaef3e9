"""Waits for a day that somebody else holds.

The holder may be dead: a chain that was killed can't give its day back. A living holder renews its lease within
seconds, and then the wait ends. If a person asks for it, any holder is waited for, for as long as it takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from staging.documents.head import find_head
from staging.documents.lease import DayHeldError, lease_end
from staging.names import DayNames
from staging.process.cancel import Cancel
from staging.store import Store

_POLL_SECONDS = 1.0
Taken = TypeVar("Taken")


def await_dead_holder(store: Store, names: DayNames, cancel: Cancel, say: Callable[[str], None]) -> None:
    """Wait until the day's lease is over or given back.

    Also returns as soon as its holder is seen to be alive.
    """
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


def await_free_day(take: Callable[[], Taken], cancel: Cancel, say: Callable[[str], None]) -> Taken:
    """Return what `take` gives once the day is free.

    It is tried until nobody else holds the day; each holder that is waited for is reported once.
    """
    told = ""
    while True:
        try:
            return take()
        except DayHeldError as held:
            if held.holder != told:
                told = held.holder
                say(
                    f"waiting for {held.holder}, which holds the day: until it gives it back, or until "
                    f"{held.ends_at:%F %T} UTC if it has died"
                )
        cancel.wait(_POLL_SECONDS)
