"""Ends the chain within seconds of Ctrl-C or SIGTERM.

Whatever it is waiting for.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from staging.errors import ExitCode
from staging.process.cancel import Cancel
from staging.process.entry import exit_now
from staging.redaction import redact

_SECONDS = 4.5
_MESSAGE = """\
error: Stopped on request, in the middle of a request that did not answer.
  fix: Nothing that counts was left behind; run the same command again."""


@contextmanager
def end_in_time(cancel: Cancel, *, seconds: float = _SECONDS) -> Iterator[None]:
    """Leave the process when the block does not end.

    It waits `seconds` after `cancel` was set, as a call to storage may be stuck in its own retries. Jobs end with this
    process: it holds their lifelines.
    """
    over = threading.Event()

    def watch() -> None:
        cancel.wait_until_set()
        if not over.wait(seconds):
            reason = cancel.reason
            print(redact(f"error: {reason}") if reason else _MESSAGE, file=sys.stderr)
            exit_now(reason.exit_code if reason else ExitCode.UNAVAILABLE)

    threading.Thread(target=watch, name="end-in-time", daemon=True).start()
    try:
        yield
    finally:
        over.set()
