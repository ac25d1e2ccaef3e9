"""Tries again a day that could not be done now.

Only such a day: the exit code decides, and no scheduler looks at it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from staging.errors import ExitCode, InterruptedRunError, LeftForLaterError, PenstockError

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long new tries may begin.

    `now` is a monotonic clock, `say` gets the reason of each new try.
    """

    seconds: float
    say: Callable[[str], None]
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def persist(self, attempt: Callable[[], T]) -> T:
        """Return what an attempt returns.

        Raises its error where trying again is of no use, or the time is over.
        """
        deadline, pause_seconds = self.now() + self.seconds, _FIRST_PAUSE_SECONDS
        while True:
            try:
                return attempt()
            except PenstockError as error:
                wait_seconds = pause_seconds * random.uniform(0.75, 1.0)  # noqa: S311 - no secret
                if not may_be_tried_again(error) or self.now() + wait_seconds > deadline:
                    raise
                self.say(f"warning: {error.what} {error.why} It is tried again in {wait_seconds:.0f} s.")
            self.sleep(wait_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)


def may_be_tried_again(error: PenstockError) -> bool:
    """Return whether another try now may go better.

    Exit code 20 says so. A request to stop and a day left for the next night have that code, too, but mean no.
    """
    is_meant_for_later = isinstance(error, InterruptedRunError | LeftForLaterError)
    return error.exit_code is ExitCode.UNAVAILABLE and not is_meant_for_later
