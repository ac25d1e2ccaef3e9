"""Reads a day from a database into committed shards.

In one snapshot or in slices, every row counted. A day whose seal did not agree is read again: what was read is of no
use then, and the new read begins with a new connection.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing

from exporter.pacing.open_pace import open_pace
from exporter.port.database import Source
from exporter.port.question import MOST_READS, DayQuestion
from exporter.port.sliced_source import StartOverError, refuse_slices
from exporter.read.attempt import Attempt
from exporter.read.choose import find_why_no_slices
from exporter.read.files import Files
from exporter.read.slices import begin_slices, look_at, read_in_slices
from exporter.read.snapshot import read_in_snapshot
from exporter.read.snapshot_guard import SnapshotGuard
from exporter.refuse.drift import find_contract
from exporter.refuse.not_over import find_closed_for
from exporter.shards.commit import Written
from staging.errors import LeftForLaterError, UnavailableError
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.store import Store

OpenSource = Callable[[str], AbstractContextManager[Source]]


def read_shards(
    question: DayQuestion,
    source: Source,
    store: Store,
    cancel: Cancel,
    progress: Progress,
    *,
    failed_seals: int,
    files: Sequence[Files] = (),
) -> Written:
    """Read the day as `choose_read` says and commit its shards.

    On any error nothing is committed. StartOverError when it was read in slices and the table changed meanwhile;
    `failed_seals` counts earlier ones.
    """
    with open_pace(question.pipeline, source.dialect, store, cancel, progress, measures=True) as pace:
        pace.before_snapshot()  # in any case: a database that is not calm is not asked about its tables, either
        progress.begin("plan")
        contract = find_contract(store, question)
        closed = find_closed_for(question, source)
        return _read(Attempt(question, source, store, cancel, progress, pace, contract, failed_seals, closed, files))


def _read(attempt: Attempt) -> Written:
    source, config = attempt.source, attempt.question.pipeline.export
    table = attempt.question.table()
    why_no_slices = "" if config.read == "snapshot" else find_why_no_slices(attempt.question, source)
    if config.read == "slices" and why_no_slices:
        raise refuse_slices(table, why_no_slices)
    if config.read == "snapshot" or why_no_slices:
        return read_in_snapshot(attempt, lambda estimate: attempt.choose(estimate, why_no_slices, None))
    with (
        SnapshotGuard(source, attempt.cancel, None) as guard,
        closing(begin_slices(attempt.question, source)) as slices,
    ):
        look = look_at(attempt, slices)
        if look.choice.mode == "slices":
            return read_in_slices(attempt, slices, look, guard)
    return read_in_snapshot(attempt, lambda _: look.choice, (look.read, look.estimate))


def read_database(
    question: DayQuestion,
    open_source: OpenSource,
    store: Store,
    cancel: Cancel,
    progress: Progress,
    *,
    files: Sequence[Files] = (),
) -> Written:
    """Read the day and commit its shards.

    `files` are those beside its tables. StartOverError (exit 20) when it changed during each of three reads,
    LeftForLaterError where fewer were allowed. A read that is given up has committed nothing, so the next one may use
    the same names.
    """
    most = question.most_reads
    for left in reversed(range(most)):
        try:
            progress.begin("connect")
            with open_source(question.pipeline.source.url.reveal()) as source:
                failed_seals = most - 1 - left
                return read_shards(question, source, store, cancel, progress, failed_seals=failed_seals, files=files)
        except StartOverError as exc:
            cancel.check()
            if not left:
                raise _give_up(exc, most) from exc
            print(f"{exc.what} {exc.why} Reading it again.", file=sys.stderr, flush=True)
    raise AssertionError("the last read raises")


def _give_up(error: StartOverError, reads: int) -> UnavailableError:
    """Return the error of a day that was read in vain as often as it may be.

    If that was less often than usual, the job's next attempt must not read it, either.
    """
    if reads >= MOST_READS:
        return StartOverError(
            error.what, why=f"{error.why} It was read {reads} times, each time in vain.", fix=error.fix
        )
    return LeftForLaterError(
        error.what,
        why=f"{error.why} No more than {'one read was' if reads == 1 else f'{reads} reads were'} asked for.",
        fix="Try again when nobody writes rows of that day.",
    )
