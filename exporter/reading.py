"""The database is read in a thread of its own, so that a blocked read can always be given up.

The reader runs at most two batches ahead (memory stays flat, the server waits for us). A second small thread watches
the flag that signals set and the snapshot's cap, and has the server stop what it does: a statement that returns no
row for minutes ends as promptly as one that returns millions.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Self

import polars as pl

from exporter.source import Source
from staging.cancel import Cancel
from staging.errors import InputError

_AHEAD_BATCHES = 2
_POLL_SECONDS = 0.05
_END_SECONDS = 2.5  # how long an interrupted reader may take to let go of its connection


class SnapshotCap:
    """How long a snapshot may last: it holds back the database's clean-up and any ALTER of the table."""

    def __init__(self, seconds: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._start = clock()

    def is_over(self) -> bool:
        """Whether the time is up."""
        return self._clock() - self._start > self.seconds

    def error(self, rows: int) -> InputError:
        """Return what to say when it is."""
        return InputError(
            f"The snapshot was given up after {self.seconds} s, {rows:,} rows into the day.",
            why="A long snapshot harms its database: old row versions pile up, and an ALTER makes everybody queue.",
            fix="Raise `export.max_snapshot_seconds` if the database can bear it, index the time column, "
            "or read from a replica.",
        )


class Reading:
    """Batches of one blocking iterator, read ahead in a thread; leave the `with` block and the thread has ended."""

    def __init__(
        self, open_batches: Callable[[], Iterator[pl.DataFrame]], source: Source, cancel: Cancel, cap: SnapshotCap
    ) -> None:
        self._open_batches = open_batches
        self._source = source
        self._cancel = cancel
        self._cap = cap
        self._queue: queue.Queue[pl.DataFrame | None] = queue.Queue(_AHEAD_BATCHES)
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._reader = threading.Thread(target=self._read, name="reader", daemon=True)
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self.rows = 0
        self.read_seconds = 0.0

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._reader.start()
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._reader.is_alive():
            self._stop.set()
            self._source.interrupt()
        self._reader.join(_END_SECONDS)
        self._stop.set()
        self._watcher.join(_END_SECONDS)

    @property
    def has_ended(self) -> bool:
        """Whether nothing uses the connection any more. A reader that can't be interrupted is left behind."""
        return not self._reader.is_alive()

    def batches(self) -> Iterator[pl.DataFrame]:
        """Give the batches; raises what the reader raised, InterruptedRunError, or the cap's InputError."""
        while True:
            self._cancel.check()
            try:
                batch = self._queue.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if self._cap.is_over() and self._reader.is_alive():
                    raise self._cap.error(self.rows) from None
                continue
            if batch is None:
                self._cancel.check()
                if self._error is None:
                    return
                if self._cap.is_over():
                    raise self._cap.error(self.rows) from self._error
                raise self._error
            self.rows += batch.height
            yield batch

    def _read(self) -> None:
        try:
            for batch in self._open_batches():
                if not self._put(batch):
                    return
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits for it
            self._error = error
        finally:
            self.read_seconds = time.monotonic() - self._started
            self._put(None)

    def _put(self, batch: pl.DataFrame | None) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(batch, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_SECONDS) and self._reader.is_alive():
            if self._cancel.is_set() or self._cap.is_over():
                self._source.interrupt()
                return
