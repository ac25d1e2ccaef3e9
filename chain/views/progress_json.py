"""Shows progress to programs: a JSON object a change.

One a line, documented in the reference as an interface.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, TextIO

from chain.jobs.port import ExecutionState, JobName
from chain.range.outcome import DayOutcome
from chain.views.range_view import format_end
from chain.views.run_view import View, how_it_ended
from staging.process.progress import ProgressLine
from staging.redaction import redact

_SECONDS_BETWEEN_ROWS = 1.0
_line = threading.Lock()


class JsonView:
    """Progress as JSON; see `View`.

    Of rows and bytes alone at most one object a second; any other change is shown at once. Many views may share a
    stream: lines are written whole.
    """

    def __init__(self, stream: TextIO, day: date, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._day = day
        self._clock = clock
        self._told: dict[str, tuple[ExecutionState, float]] = {}

    def say(self, text: str) -> None:
        """See `View`: an object that has only a note."""
        self._write(None, None, note=text)

    def watch(self, job: JobName, state: ExecutionState) -> None:
        """See `View`."""
        now = self._clock()
        if state.execution in self._told:
            before, told_at = self._told[state.execution]
            only_rows = _without_rows(before) == _without_rows(state) and not state.finished
            if before == state or (only_rows and now < told_at + _SECONDS_BETWEEN_ROWS):
                return
        self._told[state.execution] = state, now
        self._write(job, state, note=state.progress.note)

    def _write(self, job: JobName | None, state: ExecutionState | None, *, note: str) -> None:
        line = json.dumps(describe(datetime.now(UTC), self._day, job, state, note=note), ensure_ascii=False)
        with _line:
            self._stream.write(f"{line}\n")
            self._stream.flush()


class JsonDaysView:
    """Each day's progress, and a note when it has ended; see `DaysView`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def open_day(self, day: date) -> AbstractContextManager[View]:
        """See `DaysView`."""
        return nullcontext(JsonView(self._stream, day))

    def ended(self, outcome: DayOutcome) -> None:
        """See `DaysView`."""
        JsonView(self._stream, outcome.day).say(format_end(outcome))


def describe(
    now: datetime, day: date, job: JobName | None, state: ExecutionState | None, *, note: str
) -> dict[str, Any]:
    """Return one object.

    All have the same fields; those of a job are None where no job is meant.
    """
    return {
        "time": now.isoformat(timespec="milliseconds"),
        "day": day.isoformat(),
        "job": job,
        "execution": state.execution if state else None,
        "state": how_it_is(state) if state else None,
        "tasks": state.task_count if state else None,
        "tasks_done": state.succeeded if state else None,
        "tasks_failed": state.failed if state else None,
        "tasks_running": state.running if state else None,
        "retried": state.retried if state else None,
        "rows": state.progress.rows if state else None,
        "expected_rows": state.progress.expected_rows if state else None,
        "size_bytes": state.progress.size_bytes if state else None,
        "note": redact(note),
    }


def how_it_is(state: ExecutionState) -> str:
    """`running`, `done`, `failed` or `cancelled`."""
    return how_it_ended(state) if state.finished else "running"


def _without_rows(state: ExecutionState) -> ExecutionState:
    return replace(state, progress=ProgressLine(note=state.progress.note))
