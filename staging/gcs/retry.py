"""Limits how long one call to the service may take.

Per attempt a timeout, per call a limit of time without progress. With the default of 45 seconds a call that never
succeeds ends within 60, whatever the service does: refuse, stall, or fall silent in the middle. Back-off doubles from
0.25 to 8 seconds, with jitter, and is shorter where the patience is.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from staging.gcs.errors import SDK_ERRORS, BadReplyError, is_transient

PATIENCE_SECONDS = 45.0
_CONNECT_SECONDS = 10.0
_SILENCE_SECONDS = 15.0

T = TypeVar("T")
Timeout = tuple[float, float]
"""Seconds to connect (and to send each block), seconds to wait for the next bytes of the answer."""


class Patience:
    """The time one call has left."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._failures = 0
        self.progressed()

    def progressed(self) -> None:
        """Begin anew: bytes came through."""
        self._deadline = time.monotonic() + self._seconds
        self._failures = 0

    def timeout(self) -> Timeout:
        """Return what the next attempt may take."""
        left = max(self._seconds / 90, self._deadline - time.monotonic())
        return min(_CONNECT_SECONDS, left), min(_SILENCE_SECONDS, self._seconds / 3, left)

    def back_off(self, error: Exception) -> None:
        """Sleep before the next attempt.

        Raise `error` when it is not transient or the time is up.
        """
        first_seconds = self._seconds / 180
        pause_seconds = min(32 * first_seconds, first_seconds * 2**self._failures)
        pause_seconds *= random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        self._failures += 1
        if not is_transient(error) or time.monotonic() + pause_seconds > self._deadline:
            raise error
        time.sleep(pause_seconds)


def persist(attempt: Callable[[Timeout], T], patience: Patience) -> T:
    """Call `attempt` until it succeeds or must end.

    It ends when it fails for good or the patience is over; then its last error is raised.
    """
    while True:
        try:
            return attempt(patience.timeout())
        except (*SDK_ERRORS, BadReplyError) as error:
            patience.back_off(error)
