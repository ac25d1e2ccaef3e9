"""Reads a day again whose seal did not agree.

What was read is worth nothing then; the new read begins with a new connection.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

from exporter.port.database import Source
from exporter.port.question import DayQuestion
from exporter.port.sliced_source import StartOverError
from exporter.read.day import read_shards
from exporter.shards.commit import Written
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.store import Store

MOST_READS = 3

OpenSource = Callable[[str], AbstractContextManager[Source]]


def read_database(
    question: DayQuestion, open_source: OpenSource, store: Store, cancel: Cancel, progress: Progress
) -> Written:
    """Read the day and commit its shards.

    StartOverError (exit 20) when it changed during each of three reads. A read that is given up has committed nothing,
    so the next one may use the same names.
    """
    for left in reversed(range(MOST_READS)):
        try:
            progress.begin("connect")
            with open_source(question.pipeline.source.url.reveal()) as source:
                failed_seals = MOST_READS - 1 - left
                return read_shards(question, source, store, cancel, progress, failed_seals=failed_seals)
        except StartOverError as exc:
            cancel.check()
            if not left:
                raise StartOverError(
                    exc.what, why=f"{exc.why} It was read {MOST_READS} times, each time in vain.", fix=exc.fix
                ) from exc
            print(f"{exc.what} {exc.why} Reading it again.", file=sys.stderr, flush=True)
    raise AssertionError("the last read raises")
