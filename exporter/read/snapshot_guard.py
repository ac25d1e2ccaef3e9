"""Ends a snapshot that is too long or no longer wanted.

Whatever the server is busy with. A small thread watches the cap and the flag that signals set, and makes the server
stop its statement: one that returns no row for minutes ends as promptly as one that returns millions.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from exporter.port.database import Source
from staging.errors import InputError, PenstockError
from staging.process.cancel import Cancel

_POLL_SECONDS = 0.05


class SnapshotGuard:
    """Guards one read from its begin to its last row.

    From before it begins until `release`, or until the block ends. `max_seconds` is a snapshot's; a read in slices has
    None: each of its statements ends soon by itself.

    Errors of an interrupted statement leave the block as what they mean: InterruptedRunError, or the cap's InputError.
    """

    def __init__(
        self, source: Source, cancel: Cancel, max_seconds: int | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._cancel = cancel
        self._max_seconds = max_seconds
        self._clock = clock
        self._start = clock()
        self._released = threading.Event()
        self._reading = ""
        self._watcher = threading.Thread(target=self._watch, name="snapshot-guard", daemon=True)

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        over = self.is_over()
        self.release()
        self._watcher.join()
        if isinstance(error, PenstockError) and self._cancel.is_set():
            self._cancel.check()
        if isinstance(error, PenstockError) and over:
            raise self._too_long() from error

    def at(self, table: str) -> None:
        """Say which of several tables is being read."""
        self._reading = table

    def release(self) -> None:
        """Say that the snapshot has ended; what follows may take its time."""
        self._released.set()

    def check(self) -> None:
        """Raise an error when the read must end.

        InterruptedRunError when the work was asked to stop, the cap's InputError when the time is up.
        """
        self._cancel.check()
        if self.is_over():
            raise self._too_long()

    def is_over(self) -> bool:
        """Return whether the snapshot lives on past its cap."""
        return self.share_over() > 1

    def share_over(self) -> float:
        """Return how much of its time is over.

        From 0 to 1, and more where the cap is passed.
        """
        if self._max_seconds is None or self._released.is_set():
            return 0.0
        return (self._clock() - self._start) / self._max_seconds

    def _watch(self) -> None:
        while not self._released.wait(_POLL_SECONDS):
            if self._cancel.is_set() or self.is_over():
                self._source.interrupt()
                return

    def _too_long(self) -> InputError:
        return InputError(
            f"The snapshot was given up after {self._max_seconds} s.",
            why=f"{self._reading and f'It was reading {self._reading}. '}"
            "A long snapshot harms its database: old row versions pile up, and an ALTER makes everybody queue.",
            fix="Raise `export.max_snapshot_seconds` if the database can bear it, index the time column, "
            "or read from a replica.",
        )
