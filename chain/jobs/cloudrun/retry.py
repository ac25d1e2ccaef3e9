"""Limits how long one call goes on.

Only errors that may pass are tried again, with back-off, for a bounded time. Back-off doubles from 0.25 to 4 seconds,
with jitter. Ctrl-C ends it between two attempts.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from chain.jobs.cloudrun.errors import call_errors, is_transient, translate
from chain.jobs.cloudrun.place import Place
from staging.process.cancel import Cancel

CALL_SECONDS = 20.0
"""How long one attempt may take: given to each call of the client."""

PATIENCE_SECONDS = 45.0
EMULATOR_PATIENCE_SECONDS = 8.0
"""An emulator that is being started again is back within this; one that was never started is reported soon."""

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 4.0

T = TypeVar("T")


class Patience:
    """The time one piece of work has for failing calls.

    Only for failures that may pass.
    """

    def __init__(self, cancel: Cancel, seconds: float) -> None:
        self._cancel = cancel
        self._deadline = time.monotonic() + seconds
        self._pause_seconds = _FIRST_PAUSE_SECONDS

    def back_off(self) -> bool:
        """Sleep and return True; False when the time is up.

        InterruptedRunError on Ctrl-C.
        """
        pause_seconds = self._pause_seconds * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)
        if time.monotonic() + pause_seconds > self._deadline:
            return False
        self._cancel.wait(pause_seconds)
        return True


def new_patience(place: Place, cancel: Cancel) -> Patience:
    """Return the patience with the service of that place."""
    return Patience(cancel, EMULATOR_PATIENCE_SECONDS if place.emulator else PATIENCE_SECONDS)


def persist(call: Callable[[], T], patience: Patience) -> T:
    """Call until it succeeds, fails for good or the patience is over.

    Then the client's own error is raised.
    """
    while True:
        try:
            return call()
        except call_errors() as error:
            if not is_transient(error) or not patience.back_off():
                raise


def ask(call: Callable[[], T], patience: Patience, place: Place, doing: str) -> T:
    """Do as `persist`, and raise our error; `doing` continues "could not …"."""
    try:
        return persist(call, patience)
    except call_errors() as error:
        raise translate(error, place, doing) from error
