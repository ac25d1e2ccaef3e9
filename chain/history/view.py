"""Shows past runs, a line a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

from chain.views.figures import format_count, format_money, format_seconds
from staging.documents.history import PastDay, PastRun

Style = Callable[..., str]
_COLOURS = {"loaded": "green", "failed": "red", "stopped": "yellow", "running": "cyan", "unfinished": "yellow"}
_HEADS = ("day", "began (UTC)", "outcome", "export", "process", "load", "rows")
_LEFT = 3
"""The first columns are text and left-aligned: so many."""


def format_history(days: Sequence[PastDay], *, style: Style) -> str:
    """Return a line a run, with its errors below it.

    When, outcome, how long by stage, rows, the first sum, who.
    """
    runs = [(day.day, run) for day in days for run in day.runs]
    sums = next((next(iter(run.totals), "") for _, run in reversed(runs) if run.totals), "")
    heads = (*_HEADS, sums, "by")
    cells = [_cells(day, run, sums) for day, run in runs]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    lines = [_line(heads, widths)]
    for row, (_, run) in zip(cells, runs, strict=True):
        lines.append(_line(row, widths).replace(run.outcome, style(run.outcome, fg=_COLOURS[run.outcome]), 1))
        lines += [f"{' ' * (widths[0] + 2)}{run.error}"] if run.error else []
    return "\n".join(lines)


def history_json(days: Sequence[PastDay], damaged: dict[date, str]) -> dict[str, Any]:
    """Return what `--json` prints."""
    return {
        "runs": [{"day": day.day.isoformat()} | run.model_dump(mode="json") for day in days for run in day.runs],
        "damaged": [{"day": day.isoformat(), "what": what} for day, what in sorted(damaged.items())],
    }


def format_loaded(loaded: Sequence[date]) -> str:
    """Return how many days are loaded, and the last.

    `4 days are loaded, the last is 2026-10-26.` or what is true instead.
    """
    if not loaded:
        return "No day is loaded."
    if len(loaded) == 1:
        return f"1 day is loaded, it is {loaded[0]}."
    return f"{format_count(len(loaded))} days are loaded, the last is {loaded[-1]}."


def _cells(day: date, run: PastRun, sums: str) -> tuple[str, ...]:
    stages = (
        format_seconds(run.seconds[each]) if each in run.seconds else "" for each in ("export", "process", "load")
    )
    return (
        day.isoformat(),
        f"{run.began_at:%Y-%m-%d %H:%M:%S}",
        run.outcome,
        *stages,
        format_count(run.rows) if run.rows is not None else "",
        format_money(run.totals.get(sums, "")),
        _short(run.by),
    )


def _short(by: str) -> str:
    """The process's number helps only to find a process that runs now."""
    return by.partition(", process")[0]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(_padded(cells, widths)).rstrip()


def _padded(cells: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    last = len(cells) - 1
    for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        yield cell.ljust(width) if number < _LEFT or number == last else cell.rjust(width)
