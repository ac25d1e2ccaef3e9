"""Tries a day again that could not be done now.

And nothing else: the exit code decides, as no scheduler lets it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from staging.errors import ExitCode, InterruptedRunError, PenstockError

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 30.0
_LONGEST_PAUSE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Patience:
    """For how long tries are begun again.

    `now` is a monotonic clock, `say` hears why another one is made.
    """

    seconds: float
    say: Callable[[str], None]
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def persist(self, attempt: Callable[[], T]) -> T:
        """Return what an attempt returns.

        Raises its error where trying again is of no use, or the time is over. Only exit code 20 is tried again; a wish
        to stop, which has that code, too, is none.
        """
        deadline, pause_seconds = self.now() + self.seconds, _FIRST_PAUSE_SECONDS
        while True:
            try:
                return attempt()
            except PenstockError as error:
                wait_seconds = pause_seconds * random.uniform(0.75, 1.0)  # noqa: S311 - no secret
                over = self.now() + wait_seconds > deadline
                if error.exit_code is not ExitCode.UNAVAILABLE or isinstance(error, InterruptedRunError) or over:
                    raise
                self.say(f"warning: {error.what} {error.why} The day is tried again in {wait_seconds:.0f} s.")
            self.sleep(wait_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
