"""Shows on stderr how many days go.

Each day's view, and how each has ended.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from typing import Protocol, TextIO

from chain.range.outcome import DayOutcome
from chain.views.figures import format_seconds
from chain.views.run_view import PlainView, SilentView, View
from staging.redaction import redact


class DaysView(Protocol):
    """Shows many days. Called from several threads."""

    def open_day(self, day: date) -> AbstractContextManager[View]:
        """Yield what shows a day while it is worked on."""
        ...

    def ended(self, outcome: DayOutcome) -> None:
        """Show how a day has ended, an error in full."""
        ...


class SilentDaysView:
    """Shows errors and nothing else."""

    def __init__(self, stream: TextIO) -> None:
        self._lines = LineStream(stream)

    def open_day(self, day: date) -> AbstractContextManager[View]:  # noqa: ARG002 - see `DaysView`
        """See `DaysView`."""
        return nullcontext(SilentView())

    def ended(self, outcome: DayOutcome) -> None:
        """See `DaysView`."""
        if outcome.failed:
            self._lines.write(f"{format_end(outcome)}\n")


class PlainDaysView:
    """Each day's plain lines with the day before them."""

    def __init__(self, stream: TextIO) -> None:
        self._lines = LineStream(stream)

    def open_day(self, day: date) -> AbstractContextManager[View]:
        """See `DaysView`."""
        return nullcontext(PlainView(self._lines, prefix=f"{day}  "))

    def ended(self, outcome: DayOutcome) -> None:
        """See `DaysView`."""
        self._lines.write(f"{format_end(outcome)}\n")


class LineStream:
    """Writes each text whole, though others write."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        """Write and flush."""
        with self._lock:
            written = self._stream.write(text)
            self._stream.flush()
            return written

    def flush(self) -> None:
        """Nothing is held back."""


def format_end(outcome: DayOutcome) -> str:
    """`2026-10-25  done in 12.1 s`, or its whole error."""
    if outcome.outcome == "stopped":
        return f"{outcome.day}  stopped"
    if outcome.outcome == "left":
        return redact(f"warning: {outcome.day} is left for the next night: {outcome.error}")
    if outcome.error is not None:
        return redact(f"{outcome.day}  {outcome.outcome}: {outcome.error}")
    return f"{outcome.day}  {outcome.outcome} in {format_seconds(outcome.seconds)}"
