"""Ends within seconds although the engine may be inside one long native call that no signal can leave.

Python runs signal handlers in the main thread and between its own instructions only. So the work runs in a second
thread, and the main one waits for it and for the signal. What the work is in the middle of is left behind, and the
process ends by `staging.entry.exit_now`, which runs no destructor: nothing can commit itself on the way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from staging.cancel import Cancel

GRACE_SECONDS = 2.5
_POLL_SECONDS = 0.1


def run_stoppable(work: Callable[[], None], cancel: Cancel, *, grace_seconds: float = GRACE_SECONDS) -> None:
    """Run `work` to its end; raise what it raises.

    Once `cancel` is set it has `grace_seconds` to end by itself; then this raises InterruptedRunError and leaves it
    running, and the caller must end the process with `exit_now`.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as exc:  # noqa: BLE001 - polars' PanicException too; it is raised again below
            raised.append(exc)

    worker = threading.Thread(target=run, name="work", daemon=True)
    worker.start()
    while worker.is_alive() and not cancel.is_set():
        worker.join(_POLL_SECONDS)
    worker.join(grace_seconds)
    if worker.is_alive():
        cancel.check()
    if raised:
        raise raised[0]
