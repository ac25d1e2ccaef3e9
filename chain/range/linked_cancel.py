"""Gives each piece of work a `Cancel` of its own.

One may be stopped alone, a signal stops all.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from staging.process.cancel import Cancel


class CancelGroup:
    """Gives cancels that are set when `common` is.

    Safe to use from many threads.
    """

    def __init__(self, common: Cancel) -> None:
        self._common = common
        self._lock = threading.Lock()
        self._own: set[Cancel] = set()
        threading.Thread(target=self._spread, name="cancel-all", daemon=True).start()

    @contextmanager
    def one(self) -> Iterator[Cancel]:
        """Yield a cancel that lasts as long as the block."""
        own = Cancel()
        with self._lock:
            self._own.add(own)
            if self._common.is_set():
                own.set()
        try:
            yield own
        finally:
            with self._lock:
                self._own.discard(own)

    def _spread(self) -> None:
        self._common.wait_until_set()
        with self._lock:
            for own in self._own:
                own.set()
