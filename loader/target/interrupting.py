"""Ends a running statement when the work is asked to stop.

It may be minutes long and sees no flag.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from loader.target.database import Database
from staging.errors import PenstockError
from staging.process.cancel import Cancel

_POLL_SECONDS = 0.1


@contextmanager
def interrupting(database: Database, cancel: Cancel) -> Iterator[None]:
    """Interrupt the database as soon as `cancel` is set.

    This holds while the body runs; its error becomes InterruptedRunError.
    """
    left = threading.Event()

    def watch() -> None:
        while not left.wait(_POLL_SECONDS):
            if cancel.is_set():
                database.interrupt()
                return

    watcher = threading.Thread(target=watch, name="interrupt", daemon=True)
    watcher.start()
    try:
        yield
    except PenstockError:
        cancel.check()
        raise
    finally:
        left.set()
        watcher.join()
