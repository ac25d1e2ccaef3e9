"""Keeps the main thread waiting, so signals are handled at once.

Whatever a library is busy with. Python runs handlers between two bytecodes of the main thread; a main thread inside a
driver or polars would not hear Ctrl-C until they return.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from staging.process.cancel import Cancel

Result = TypeVar("Result")
_POLL_SECONDS = 0.1
GRACE_SECONDS = 4.0  # a stopped process has to end within 5


def run_watched(work: Callable[[], Result], cancel: Cancel, *, grace_seconds: float = GRACE_SECONDS) -> Result:
    """Run `work` in a thread; return or raise as it does.

    Once `cancel` is set it has `grace_seconds` to end by itself; then this raises InterruptedRunError and leaves it
    running: the caller must leave the process without waiting (`staging.process.entry.exit_now`), so that no
    destructor can commit anything on the way.
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
    worker.join(grace_seconds)
    if errors:
        raise errors[0]
    if not results:
        cancel.check()
    return results[0]
