"""Draws bars on a terminal.

How they look, and how long they are. A line of them fits 80 columns.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from chain.jobs.port import ExecutionState
from staging.process.progress import PAUSED

_BAR_CHARACTERS = 16


class TerminalBars:
    """Names in a column of this width, bars, figures.

    They stay as they were when it is closed.
    """

    def __init__(self, console: Console, *, name_characters: int) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn(f"{{task.description:<{name_characters}}}"),
            BarColumn(bar_width=_BAR_CHARACTERS),
            TextColumn("{task.fields[figures]}", markup=False),
            console=console,
            refresh_per_second=8,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()


def share_done(state: ExecutionState) -> tuple[float, float | None]:
    """Return how much of how much is done.

    A total of None shows a bar that only says "working".
    """
    progress = state.progress
    if state.finished:
        return state.succeeded, state.task_count
    if state.task_count > 1:
        return state.succeeded, state.task_count
    if progress.expected_rows:
        return min(progress.rows, progress.expected_rows), progress.expected_rows
    return 0, None


def is_paused(state: ExecutionState) -> bool:
    """Return whether its note says what it waits for.

    That counts more than any figure.
    """
    return state.progress.note.startswith(PAUSED) and not state.finished
