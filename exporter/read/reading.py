"""Reads the database in a thread of its own.

So a blocked read can always be given up. The reader runs at most two batches ahead: memory stays flat, and the server
waits for us.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Self

import polars as pl

from exporter.port.database import Source
from exporter.read.snapshot_guard import SnapshotGuard

_AHEAD_BATCHES = 2
_POLL_SECONDS = 0.05
_END_SECONDS = 2.0  # how long an interrupted reader may take to let go of its connection


class Reading:
    """Batches of one blocking iterator, read ahead in a thread.

    At the end of the `with` block the thread has ended; or, where the database can't be interrupted, is left behind
    with the source's connections.
    """

    def __init__(
        self, open_batches: Callable[[], Iterator[pl.DataFrame]], source: Source, guard: SnapshotGuard
    ) -> None:
        self._open_batches = open_batches
        self._source = source
        self._guard = guard
        self._queue: queue.Queue[pl.DataFrame | None] = queue.Queue(_AHEAD_BATCHES)
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._reader = threading.Thread(target=self._read, name="reader", daemon=True)
        self._started = 0.0
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._reader.join(_POLL_SECONDS)
        if self._reader.is_alive():
            self._source.interrupt()
            self._reader.join(_END_SECONDS)
        if self._reader.is_alive():
            self._source.abandon()

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yield the batches.

        Raises what the reader raised, and what the guard says.
        """
        while True:
            self._guard.check()
            try:
                batch = self._queue.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if batch is None:
                self._guard.check()
                if self._error is not None:
                    raise self._error
                return
            yield batch

    def _read(self) -> None:
        try:
            for batch in self._open_batches():
                if not self._put(batch):
                    return
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits for it
            self._error = error
        finally:
            self.seconds = time.monotonic() - self._started
            self._put(None)

    def _put(self, batch: pl.DataFrame | None) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(batch, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            return True
        return False
