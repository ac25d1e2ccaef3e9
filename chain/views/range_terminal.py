"""Shows many days on a terminal.

A bar for all, and one for each that is worked on now. They fit 80 columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date

from rich.console import Console
from rich.progress import Progress, TaskID

from chain.jobs.port import ExecutionState, JobName
from chain.range.outcome import DayOutcome
from chain.views.bars import TerminalBars, is_paused, share_done
from chain.views.figures import format_count, name_windows, plural
from chain.views.range_view import format_end
from chain.views.run_view import VERBS, View

_NAME_CHARACTERS = 10
_FIGURES_CHARACTERS = 50


class TerminalDaysView(TerminalBars):
    """Bars of many days; see `DaysView`.

    A day's bar goes when the day has ended; the table that follows shows all.
    """

    def __init__(self, console: Console, days: Sequence[date]) -> None:
        super().__init__(console, name_characters=_NAME_CHARACTERS)
        self._done = self._failed = 0
        self._all = self._bars.add_task(plural(len(days), name_windows(days)), total=len(days), figures="")

    @contextmanager
    def open_day(self, day: date) -> Iterator[View]:
        """See `DaysView`."""
        bar = self._bars.add_task(str(day), total=None, figures="")
        try:
            yield _DayBar(self._bars, bar)
        finally:
            self._bars.remove_task(bar)

    def ended(self, outcome: DayOutcome) -> None:
        """See `DaysView`."""
        self._done += not outcome.failed
        self._failed += outcome.failed
        if outcome.failed:
            self._console.print(format_end(outcome), soft_wrap=True)
        failed = f", {self._failed} not" if self._failed else ""
        self._bars.update(self._all, completed=self._done + self._failed, figures=f"{self._done} done{failed}")


class _DayBar:
    """See `View`. What a run says is shown beside its bar until there are figures."""

    def __init__(self, bars: Progress, bar: TaskID) -> None:
        self._bars = bars
        self._bar = bar

    def say(self, text: str) -> None:
        """See `View`."""
        shown = text if len(text) <= _FIGURES_CHARACTERS else f"{text[: _FIGURES_CHARACTERS - 1]}…"
        self._bars.update(self._bar, figures=shown)

    def watch(self, job: JobName, state: ExecutionState) -> None:
        """See `View`."""
        done, total = share_done(state)
        self._bars.update(self._bar, completed=done, total=total, figures=_figures(job, state))


def _figures(job: JobName, state: ExecutionState) -> str:
    if is_paused(state):
        return state.progress.note[:_FIGURES_CHARACTERS]
    tasks = f"{state.succeeded}/{state.task_count}" if state.task_count > 1 else ""
    rows = plural(state.progress.rows, "row") if state.progress.rows else ""
    more = f"{format_count(state.retried)} retried" if state.retried else state.progress.note
    return f"{VERBS[job]:<8} {tasks:>9} {rows:>16}  {more}"[:_FIGURES_CHARACTERS].rstrip()
