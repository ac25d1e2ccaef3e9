"""Sends events by OpenLineage's own client, beside the work.

The OPENLINEAGE_ variables say where to (HTTP, a file, the console). A thread sends them in order; a day waits for it at
its end, for some seconds at most. What goes wrong is one warning.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import RunEvent

from staging.redaction import redact

LAST_WAIT_SECONDS = 5.0


class Sender:
    """Sends events in their order, from a thread of its own."""

    def __init__(self, say: Callable[[str], None], wait_seconds: float = LAST_WAIT_SECONDS) -> None:
        self._say = say
        self._wait_seconds = wait_seconds
        self._client = OpenLineageClient()
        self._events: queue.SimpleQueue[RunEvent | None] = queue.SimpleQueue()
        self._warning = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="lineage", daemon=True)
        self._thread.start()

    def send(self, event: RunEvent) -> None:
        """Send the event soon."""
        self._events.put(event)

    def close(self) -> None:
        """Wait for what is not sent yet, for some seconds at most."""
        self._events.put(None)
        self._thread.join(self._wait_seconds)
        if self._thread.is_alive():
            self._warn("the last ones took too long")

    def _work(self) -> None:
        while (event := self._events.get()) is not None:
            try:
                self._client.emit(event)
            except Exception as error:  # noqa: BLE001 - no event is worth a night
                self._warn(f"{type(error).__name__}: {error}".splitlines()[0])

    def _warn(self, why: str) -> None:
        if self._warning.acquire(blocking=False):  # never released: the first is the only one
            self._say(redact(f"warning: lineage events were not sent: {why}"))
