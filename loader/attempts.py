"""Decides whether a load is tried again, and after which wait.

Attempts are bounded, and only for errors that may pass.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from loader.target.errors import ConnectionLostError, ContendedError, ReadOnlyError
from staging.process.cancel import Cancel

MOST_ATTEMPTS = 6
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 5.0


class Attempts:
    """Counts failed attempts of one load, for any reason."""

    def __init__(self, cancel: Cancel, say: Callable[[str], None]) -> None:
        self._cancel = cancel
        self._say = say
        self._failed = 0

    def wait_after(self, error: ContendedError | ConnectionLostError | ReadOnlyError) -> None:
        """Wait a growing, random while.

        Raise the error itself when all attempts are spent.
        """
        self._cancel.check()
        self._failed += 1
        if self._failed >= MOST_ATTEMPTS:
            raise error
        bound = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 4**self._failed)
        seconds = random.uniform(bound / 4, bound)  # noqa: S311 - two loaders must not wait in step; no secret hangs on it
        self._say(f"{error.what} {error.why} Attempt {self._failed + 1} of {MOST_ATTEMPTS} in {seconds:.1f} s.")
        self._cancel.wait(seconds)
