"""Shows on stderr how a run goes.

Bars on a terminal, a few plain lines anywhere else, JSON if wanted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, Protocol

from chain.jobs.port import ExecutionState, JobName
from chain.views.figures import format_bytes, format_count, format_seconds, plural

VERBS: dict[JobName, str] = {"exporter": "export", "processor": "process", "loader": "load"}
_SECONDS_BETWEEN_LINES = 5.0

ProgressMode = Literal["auto", "json", "none"]


class View(Protocol):
    """Shows a run."""

    def say(self, text: str) -> None:
        """Show one line."""
        ...

    def watch(self, job: JobName, state: ExecutionState) -> None:
        """Show how an execution is now; called often."""
        ...


class Lines(Protocol):
    """Takes text: any text file, and more."""

    def write(self, text: str, /) -> object:
        """Take it."""
        ...

    def flush(self) -> object:
        """Hold nothing back."""
        ...


class SilentView:
    """Shows nothing."""

    def say(self, text: str) -> None:
        """See `View`."""

    def watch(self, job: JobName, state: ExecutionState) -> None:
        """See `View`."""


class PlainView:
    """Prints a line when a job starts and when it ends.

    And one every few seconds. All begin with `prefix`.
    """

    def __init__(self, stream: Lines, *, prefix: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._prefix = prefix
        self._clock = clock
        self._began: dict[str, float] = {}
        self._next_line: dict[str, float] = {}

    def say(self, text: str) -> None:
        """See `View`."""
        self._stream.write(f"{self._prefix}{text}\n")
        self._stream.flush()

    def watch(self, job: JobName, state: ExecutionState) -> None:
        """See `View`."""
        now = self._clock()
        if state.execution not in self._began:
            self._began[state.execution] = now
            self._next_line[state.execution] = now + _SECONDS_BETWEEN_LINES
            self.say(f"{VERBS[job]}: started, {plural(state.task_count, 'task')}")
        elif not state.finished and now >= self._next_line[state.execution]:
            self._next_line[state.execution] = now + _SECONDS_BETWEEN_LINES
            self.say(f"{VERBS[job]}: {format_state(state, now - self._began[state.execution])}")
        if state.finished:
            self.say(f"{VERBS[job]}: {how_it_ended(state)}, {format_state(state, now - self._began[state.execution])}")


def how_it_ended(state: ExecutionState) -> str:
    """`done`, `failed` or `cancelled`."""
    if state.succeeded == state.task_count:
        return "done"
    return "failed" if state.failed else "cancelled"


def doing_now(state: ExecutionState) -> str:
    """Return what the job says it does.

    `starting` until anything of it runs, nothing where it has ended.
    """
    if state.finished:
        return ""
    return state.progress.note or ("" if state.running or state.succeeded else "starting")


def format_state(state: ExecutionState, seconds: float) -> str:
    """Return what is known of a job in one line.

    `3 of 8 tasks, 120,000 rows, 300,000 rows/s, 1.2 MB, 1 retried, 0.4 s`.
    """
    progress = state.progress
    known = [
        f"{state.succeeded} of {plural(state.task_count, 'task')}" if state.task_count > 1 else "",
        plural(progress.rows, "row") if progress.rows else "",
        f"{format_count(round(progress.rows / seconds))} rows/s" if progress.rows and seconds > 0 else "",
        format_bytes(progress.size_bytes) if progress.size_bytes else "",
        f"{state.retried} retried" if state.retried else "",
        f"{state.failed} failed" if state.failed else "",
        doing_now(state),
        format_seconds(seconds),
    ]
    return ", ".join(each for each in known if each)
