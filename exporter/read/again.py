"""Does a piece of work again where that may help.

After a wait, on a new connection where the old one is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from exporter.port.sliced_source import SliceLostError, Slices, SliceTooLongError, StartOverError
from staging.errors import UnavailableError
from staging.process.cancel import Cancel

_FIRST_WAIT_SECONDS = 0.5

T = TypeVar("T")


class Again:
    """Repeats what is asked of one connection.

    `repeated` counts how often it did.
    """

    def __init__(self, slices: Slices, cancel: Cancel) -> None:
        self._slices = slices
        self._cancel = cancel
        self._is_lost = False
        self.repeated = 0

    def do(self, work: Callable[[], T], tries: int) -> T:
        """Return what the work returns; raise what its last try raised."""
        for attempt in range(tries):
            try:
                if attempt and self._is_lost:
                    self._slices.reconnect()
                    self._is_lost = False
                return work()
            except UnavailableError as exc:
                self._cancel.check()
                if attempt == tries - 1 or isinstance(exc, StartOverError):
                    raise
                self.repeated += 1
                self._is_lost = self._is_lost or isinstance(exc, SliceLostError)
                if not isinstance(exc, SliceTooLongError):
                    self._cancel.wait(_FIRST_WAIT_SECONDS * 2**attempt)
        raise AssertionError("the last attempt raises")
