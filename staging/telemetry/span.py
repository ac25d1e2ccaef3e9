"""A stretch of work that somebody may want to see.

Nobody sees this one: each method does nothing, and costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

Attributes = Mapping[str, str | int | float | bool]


class Span:
    """A stretch of work; see `staging.telemetry.otel` for one that is sent."""

    def begin_phase(self, phase: str) -> None:
        """Say which phase begins; the one before has ended."""

    def note(self, attributes: Attributes) -> None:
        """Add what is known of it by now."""

    def count(self, rows: int, size_bytes: int) -> None:
        """Say the totals so far."""

    def measure(self, figures: DayFigures) -> None:
        """Record the result of a day."""

    @contextmanager
    def inner(self, name: str, attributes: Attributes) -> Iterator[Span]:  # noqa: ARG002 - nobody sees it
        """Run the block as a part of this one."""
        yield self

    def environment(self) -> dict[str, str]:
        """Return what lets another process continue the trace.

        W3C's `traceparent`, as a variable.
        """
        return {}


class DayFigures:
    """The result of a day.

    `rows` by stage, seconds that reading waited by reason, and how long after its end the day was loaded.
    """

    def __init__(self, rows: Mapping[str, int], waited_seconds: Mapping[str, float], lag_seconds: float) -> None:
        self.rows = rows
        self.waited_seconds = waited_seconds
        self.lag_seconds = lag_seconds


NO_SPAN = Span()
