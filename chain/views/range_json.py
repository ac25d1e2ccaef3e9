"""Shows the progress of many days to programs.

Each day's JSON lines, and a note when it has ended.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import date
from typing import TextIO

from chain.range.outcome import DayOutcome
from chain.views.range_view import format_end
from chain.views.run_json import JsonView
from chain.views.run_view import View


class JsonDaysView:
    """See `DaysView`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def open_day(self, day: date) -> AbstractContextManager[View]:
        """See `DaysView`."""
        return nullcontext(JsonView(self._stream, day))

    def ended(self, outcome: DayOutcome) -> None:
        """See `DaysView`."""
        JsonView(self._stream, outcome.day).say(format_end(outcome))
