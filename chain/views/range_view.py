"""What is seen while many days are worked on, on stderr: each day's view, and how each has ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date
from typing import Protocol, TextIO

from chain.range.outcome import DayOutcome
from chain.views.figures import format_seconds
from chain.views.run_view import PlainView, ProgressMode, SilentView, View
from staging.redaction import redact


class DaysView(Protocol):
    """Shows many days. Called from several threads."""

    def open_day(self, day: date) -> AbstractContextManager[View]:
        """Give what shows a day for as long as it is worked on."""
        ...

    def ended(self, outcome: DayOutcome) -> None:
        """Show how a day has ended, an error in full."""
        ...


@contextmanager
def open_days_view(stream: TextIO, mode: ProgressMode, days: Sequence[date]) -> Iterator[DaysView]:
    """Give what `mode` asks for; `auto`: bars where `stream` is a terminal that can show them, else plain lines."""
    if mode == "json":
        from chain.views.range_json import JsonDaysView  # noqa: PLC0415 - only where it is wanted

        yield JsonDaysView(stream)
        return
    if mode == "none":
        yield SilentDaysView(stream)
        return
    from rich.console import Console  # noqa: PLC0415 - `penstock --help` does without

    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    if not console.is_terminal or console.is_dumb_terminal:
        yield PlainDaysView(stream)
        return
    from chain.views.range_terminal import TerminalDaysView  # noqa: PLC0415 - only where there is a terminal

    with TerminalDaysView(console, len(days)) as view:
        yield view


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
    """Writes each text whole, whoever else writes."""

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
    if outcome.error is not None:
        return redact(f"{outcome.day}  {outcome.outcome}: {outcome.error}")
    return f"{outcome.day}  {outcome.outcome} in {format_seconds(outcome.seconds)}"
