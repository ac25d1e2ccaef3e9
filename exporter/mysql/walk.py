"""Runs short statements over a stretch, with rests.

They are to looking and sealing what slices are to reading. A shop feels the length of a statement, so a count over a
whole day is cut like the day itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from staging.errors import UnavailableError

T = TypeVar("T")

_TARGET_SECONDS = 0.002
_FIRST_ROWS = 2_000
_LEAST_FACTOR, _MOST_FACTOR = 0.2, 2.0
_REST_FACTOR = 1.0
"""How long we rest before anything was read, as a multiple of how long the server worked."""
_MOST_REST_FACTOR = 24.0  # the rest that a busy server gets, within the limit of time


class Rest:
    """Rests between statements, until somebody wants an end."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._factor = _REST_FACTOR
        self._rests_until = float("inf")

    def limit(self, seconds: float, expected_seconds: float, factor: float) -> None:
        """Rest `factor` times as long as the work took.

        Less if more than `seconds` would go by, and no more after that in any case.
        """
        within_limit = max(seconds / max(expected_seconds, 1e-6) - 1, 0.0)
        self._factor = min(factor, within_limit, _MOST_REST_FACTOR)
        self._rests_until = time.monotonic() + seconds

    def after(self, worked_seconds: float) -> None:
        """Rest after so much work; UnavailableError when an end is wanted."""
        left_seconds = self._rests_until - time.monotonic()
        self.wait(max(min(worked_seconds * self._factor, left_seconds), 0.0))

    def wait(self, seconds: float) -> None:
        """Wait so long; UnavailableError when an end is wanted."""
        if self._ended.wait(seconds):
            raise UnavailableError("The read was interrupted.", fix="Run again.")

    def end(self) -> None:
        """Want an end; callable from any thread."""
        self._ended.set()


def walk(low: int, high: int, expected_rows: int, ask: Callable[[int, int], T], rest: Rest) -> Iterator[T]:
    """Yield the answers for half-open stretches that meet.

    From `low` to `high`, each about two ms of work.
    """
    length = (high - low) * min(1.0, _FIRST_ROWS / max(expected_rows, 1))
    while low < high:
        end = min(low + max(int(length), 1), high)
        began = time.perf_counter()
        answer = ask(low, end)
        seconds = time.perf_counter() - began
        yield answer
        length = max(length * min(max(_TARGET_SECONDS / max(seconds, 1e-9), _LEAST_FACTOR), _MOST_FACTOR), 1.0)
        low = end
        rest.after(seconds)
