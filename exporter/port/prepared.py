"""Finds transactions that are prepared for two-phase commit.

Nobody knows when they began, so while there is one a day is not over. A busy shop may always have some that live for a
moment. One that is missing at a later look was committed or rolled back; a newer one began when the day was over, or
was seen as a running transaction: so only those of the first look count, and they get a second to end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

_LOOKS = 6
_WAIT_SECONDS = 0.2

Look = Callable[[], Mapping[str, str]]
"""Gives those that are there now: the name, and more in brackets if known."""


def why_prepared(look: Look) -> str:
    """Return which of them may yet be committed, as a clause.

    "" where there is none. Call it after the look at running transactions: one prepared between the two is seen by
    either.
    """
    left = dict(look())
    for _ in range(_LOOKS - 1):
        if not left:
            return ""
        time.sleep(_WAIT_SECONDS)
        now = look()
        left = {name: more for name, more in left.items() if name in now}
    if not left:
        return ""
    name, more = min(left.items())
    others = f" and {len(left) - 1} more" if len(left) > 1 else ""
    return (
        f"a transaction that is prepared for two-phase commit, {name!r}{more}{others}, began nobody knows when, and "
        "may yet be committed"
    )
