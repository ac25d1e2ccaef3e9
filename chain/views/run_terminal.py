"""Bars on a terminal, one a job, that fit 80 columns."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import TaskID

from chain.jobs.port import ExecutionState, JobName
from chain.views.bars import TerminalBars, is_paused, share_done
from chain.views.figures import format_bytes, format_count
from chain.views.run_view import VERBS, doing_now, how_it_ended

_NAME_CHARACTERS = 8
_FIGURES_CHARACTERS = 52


class TerminalView(TerminalBars):
    """See `View`. Leaves the bars in place when it is closed."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, name_characters=_NAME_CHARACTERS)
        self._tasks: dict[str, tuple[TaskID, float]] = {}

    def say(self, text: str) -> None:
        """See `View`."""
        self._console.print(text, soft_wrap=True, style="dim")

    def watch(self, job: JobName, state: ExecutionState) -> None:
        """See `View`."""
        if state.execution not in self._tasks:
            task = self._bars.add_task(VERBS[job], total=None, figures="")
            self._tasks[state.execution] = (task, time.monotonic())
        task, began = self._tasks[state.execution]
        seconds = time.monotonic() - began
        done, total = share_done(state)
        self._bars.update(task, completed=done, total=total, figures=_figures(state, seconds))


def _figures(state: ExecutionState, seconds: float) -> str:
    """Figures in columns, 52 characters as a rule, so that a line has no more than 80."""
    progress = state.progress
    rows = f"{format_count(progress.rows)} rows" if progress.rows else ""
    rate = f"{format_count(round(progress.rows / seconds))}/s" if progress.rows and seconds > 0 else ""
    size = format_bytes(progress.size_bytes) if progress.size_bytes else ""
    last = f"{state.retried} retried" if state.retried else size
    tasks = f"{state.succeeded}/{state.task_count}" if state.task_count > 1 else ""
    if is_paused(state):
        return progress.note[:_FIGURES_CHARACTERS]
    if not rows and not tasks and (doing := doing_now(state)):
        return f"{doing[:40]:<40} {seconds:>9.1f} s"
    end = how_it_ended(state) if state.finished and state.succeeded != state.task_count else f"{seconds:.1f} s"
    return f"{tasks:>5} {rows:>15} {rate:>11} {last:>9} {end:>8}"
