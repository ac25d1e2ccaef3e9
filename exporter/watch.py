"""The main thread only waits, so that a signal's handler runs at once whatever a library is busy with.

Python runs handlers between two bytecodes of the main thread; a main thread inside a driver or polars would not hear
Ctrl-C until they return.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from staging.cancel import Cancel

Result = TypeVar("Result")
_POLL_SECONDS = 0.1
_GRACE_SECONDS = 4.0  # a stopped process has to end within 5


def run_watched(work: Callable[[], Result], cancel: Cancel) -> Result:
    """Run `work` in a thread; return or raise as it does. InterruptedRunError when it can't stop in time.

    Work that can't stop is left behind: the caller must leave the process without waiting (`staging.entry.exit_now`).
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - handed over to the thread that waits for it
            errors.append(error)

    worker = threading.Thread(target=run, name="work", daemon=True)
    worker.start()
    while worker.is_alive() and not cancel.is_set():
        worker.join(_POLL_SECONDS)
    worker.join(_GRACE_SECONDS)
    if errors:
        raise errors[0]
    if not results:
        cancel.check()
    return results[0]
