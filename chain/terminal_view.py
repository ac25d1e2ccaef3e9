"""Bars on a terminal, one a job, that fit 80 columns."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from chain.figures import format_bytes, format_count
from chain.jobs import ExecutionState, JobName
from chain.progress_view import VERBS, how_it_ended
from staging.progress import PAUSED

_BAR_CHARACTERS = 16
_FIGURES_CHARACTERS = 52


class TerminalView:
    """See `View`. Leaves the bars where they stood when it is closed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description:<8}"),
            BarColumn(bar_width=_BAR_CHARACTERS),
            TextColumn("{task.fields[figures]}", markup=False),
            console=console,
            refresh_per_second=8,
        )
        self._tasks: dict[str, tuple[TaskID, float]] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

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


def share_done(state: ExecutionState) -> tuple[float, float | None]:
    """Return how much of how much is done; a total of None shows a bar that only says "working"."""
    progress = state.progress
    if state.finished:
        return state.succeeded, state.task_count
    if state.task_count > 1:
        return state.succeeded, state.task_count
    if progress.expected_rows:
        return min(progress.rows, progress.expected_rows), progress.expected_rows
    return 0, None


def _figures(state: ExecutionState, seconds: float) -> str:
    """Figures in columns, 52 characters as a rule, so that a line has no more than 80."""
    progress = state.progress
    rows = f"{format_count(progress.rows)} rows" if progress.rows else ""
    rate = f"{format_count(round(progress.rows / seconds))}/s" if progress.rows and seconds > 0 else ""
    size = format_bytes(progress.size_bytes) if progress.size_bytes else ""
    last = f"{state.retried} retried" if state.retried else size
    tasks = f"{state.succeeded}/{state.task_count}" if state.task_count > 1 else ""
    if progress.note.startswith(PAUSED) and not state.finished:
        return progress.note[:_FIGURES_CHARACTERS]
    end = how_it_ended(state) if state.finished and state.succeeded != state.task_count else f"{seconds:.1f} s"
    return f"{tasks:>5} {rows:>15} {rate:>11} {last:>9} {end:>8}"
