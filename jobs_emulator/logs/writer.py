"""Log entries to a stream, one JSON object a line.

From a thread of its own: a reader that is slow must not stop the emulator.
"""

from __future__ import annotations

import json
import queue
import threading
from typing import Any, TextIO

ENTRIES_MAX = 100_000
"""Entries that may wait; more are dropped and counted, and the count is reported."""


class EntryWriter:
    """Writes log entries in the background.

    Call it with an entry; `close` waits until all are written (a moment, if the reader has stopped reading).
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: queue.Queue[dict[str, Any] | None] = queue.Queue(ENTRIES_MAX)
        self._dropped = 0
        self._thread = threading.Thread(target=self._run, name="log-entries", daemon=True)
        self._thread.start()

    def __call__(self, entry: dict[str, Any]) -> None:
        """Takes an entry."""
        try:
            self._waiting.put_nowait(entry)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Writes what was taken."""
        try:
            self._waiting.put(None, timeout=1)
        except queue.Full:
            return
        self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            while (entry := self._waiting.get()) is not None:
                self._stream.write(json.dumps(entry) + "\n")
                if self._dropped:
                    told = {"severity": "WARNING", "textPayload": f"{self._dropped} log entries were dropped"}
                    self._dropped = 0
                    self._stream.write(json.dumps(told) + "\n")
                if self._waiting.empty():
                    self._stream.flush()
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads any more; the emulator goes on
            while self._waiting.get() is not None:
                pass
