"""Ctrl-C and SIGTERM set a flag that long work asks for.

A handler never raises. polars loses an exception that a signal handler raises inside its sink, and truncates and closes
the file, so nothing here interrupts: readers call `check()` between batches, writers before they commit.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from staging.errors import InterruptedRunError, PenstockError

STOPPED = "Stopped on request."


class Cancel:
    """A flag that is set once.

    Safe to set from a signal handler or another thread.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._reason: PenstockError | None = None

    def set(self, reason: PenstockError | None = None) -> None:
        """Ask the work to stop.

        `reason` is what it then ends with, InterruptedRunError where there is none.
        """
        self._reason = self._reason or reason
        self._event.set()

    @property
    def reason(self) -> PenstockError | None:
        """Why the work was asked to stop, or None.

        None where it was on request, or not at all.
        """
        return self._reason

    def is_set(self) -> bool:
        """Return whether the work was asked to stop."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise an error if the work was asked to stop.

        InterruptedRunError, or the reason that was given.
        """
        if self._event.is_set():
            raise self._reason or InterruptedRunError(
                STOPPED,
                why="Ctrl-C or SIGTERM.",
                fix="Nothing that counts was left behind; run the same command again.",
            )

    def wait_until_set(self) -> None:
        """Sleep until the work is asked to stop; raises nothing.

        For a thread that does nothing else.
        """
        self._event.wait()

    def wait(self, seconds: float) -> None:
        """Sleep at most so long; raise as `check` does.

        As soon as the work is asked to stop.
        """
        self._event.wait(seconds)
        self.check()


@contextmanager
def cancel_on_signals() -> Iterator[Cancel]:
    """Yield a `Cancel` that SIGINT and SIGTERM set.

    The previous handlers come back afterwards.
    """
    cancel = Cancel()
    previous = {number: signal.signal(number, lambda *_: cancel.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancel
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
