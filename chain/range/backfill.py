"""Runs many days, each for itself, some at once.

A failure of one is no reason for another one to fail.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

from chain.day.report import Report
from chain.range.outcome import DayOutcome, done, gone_wrong
from staging.errors import PenstockError
from staging.process.cancel import Cancel
from staging.redaction import redact


@dataclass(frozen=True, slots=True)
class DaysAtOnce:
    """How many days are worked on at once.

    And whether new ones begin after one has failed.
    """

    days: int
    keep_going: bool


def run_days(
    days: Sequence[date],
    run_one: Callable[[date], Report],
    at_once: DaysAtOnce,
    cancel: Cancel,
    *,
    ended: Callable[[DayOutcome], None],
) -> list[DayOutcome]:
    """Return the outcome of each day, in their order.

    `ended` is called with each as it comes, from any thread. Days that are under way when one fails come to their own
    end. `run_one` raises when `cancel` is set.
    """
    queue = _Queue(days, at_once, cancel)

    def work() -> None:
        for day in queue:
            outcome = _run(day, run_one)
            queue.note(outcome)
            ended(outcome)

    with ThreadPoolExecutor(at_once.days, thread_name_prefix="day") as workers:
        for worker in [workers.submit(work) for _ in range(at_once.days)]:
            worker.result()
    return [queue.outcomes.get(day, DayOutcome(day, "not begun")) for day in days]


class _Queue:
    """Gives each day to one worker, until a failure or `cancel` ends it."""

    def __init__(self, days: Sequence[date], at_once: DaysAtOnce, cancel: Cancel) -> None:
        self._days = iter(days)
        self._keep_going = at_once.keep_going
        self._cancel = cancel
        self._lock = threading.Lock()
        self._closed = False
        self.outcomes: dict[date, DayOutcome] = {}

    def __iter__(self) -> Iterator[date]:
        while (day := self._take()) is not None:
            yield day

    def _take(self) -> date | None:
        with self._lock:
            return None if self._closed or self._cancel.is_set() else next(self._days, None)

    def note(self, outcome: DayOutcome) -> None:
        with self._lock:
            self.outcomes[outcome.day] = outcome
            self._closed = self._closed or (outcome.failed and not self._keep_going)


def _run(day: date, run_one: Callable[[date], Report]) -> DayOutcome:
    began = time.monotonic()
    try:
        return done(run_one(day), time.monotonic() - began)
    except PenstockError as error:
        return gone_wrong(day, error, time.monotonic() - began)
    except Exception as error:  # noqa: BLE001 - a bug ends this day with 1; the others' outcomes are still shown
        print(redact(traceback.format_exc()), file=sys.stderr)
        bug = PenstockError(
            f"{type(error).__name__}: this is a bug in Penstock.", fix="Please report it with the lines above."
        )
        return gone_wrong(day, bug, time.monotonic() - began)
