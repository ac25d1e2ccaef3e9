"""Charts as SVG by matplotlib, the only module that knows it.

Colours are CSS variables of the page, so that one picture serves light and dark; text is text, so that it can be
searched, copied and enlarged. A chart is as wide as a phone and grows with the page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from staging.documents.manifest import Probed
from staging.documents.timeline import Timeline

_INCHES = 3.75
_TEXT, _GRID = "#010101", "#020202"
_SERIES = ("#0a0001", "#0a0002", "#0a0003", "#0a0004", "#0a0005", "#0a0006")
_VARIABLES = {_TEXT: "--text", _GRID: "--line"} | {
    colour: f"--series-{number}" for number, colour in enumerate(_SERIES, start=1)
}
_JOBS = {"exporter": _SERIES[0], "processor": _SERIES[1], "loader": _SERIES[2]}
_SHOWN_TASKS = 40
_SEPARATE_BARS = 64
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 8,
    "text.color": _TEXT,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _TEXT,
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw_timeline(timelines: Sequence[Timeline], name: str) -> str:
    """Draw a bar for each task, and its failures.

    From its start to its end, and a cross where an attempt was seen to fail.
    """
    bars = list(_bars(timelines))
    begin = min(start for _, _, start, _ in bars)
    with _figure(name, 0.6 + 0.16 * len(bars)) as (figure, axes):
        for row, (_, job, start, end) in enumerate(bars):
            left, width = _seconds(begin, start), max(_seconds(start, end), 0.02)
            axes.broken_barh([(left, width)], (row - 0.35, 0.7), facecolors=_JOBS[job])
        rows = {(label, job): row for row, (label, job, _, _) in enumerate(bars)}
        for timeline in timelines:
            for attempt in timeline.attempts:
                at = rows.get((_label(timeline, attempt.task), timeline.job))
                if at is not None:
                    axes.plot(
                        [_seconds(begin, attempt.seen_at)],
                        [at],
                        marker="x",
                        color=_TEXT,
                        markersize=7,
                        markeredgewidth=2,
                    )
        axes.set_yticks(range(len(bars)), [label for label, *_ in bars])
        axes.set_ylim(len(bars) - 0.5, -0.5)
        axes.set_xlabel("seconds since the first task began")
        _grid(axes, "x")
    return _svg(figure, name)


def draw_waits(waits: Mapping[str, Sequence[float]], bin_seconds: float, name: str) -> str:
    """Draw the seconds waited in each stretch of time.

    By reason, one on top of the other.
    """
    with _figure(name, 1.9) as (figure, axes):
        bottoms = [0.0] * max(map(len, waits.values()))
        for number, (reason, seconds) in enumerate(waits.items()):
            starts = [position * bin_seconds for position in range(len(seconds))]
            colour = _SERIES[number % len(_SERIES)]
            label = reason.replace("_", " ")
            axes.bar(starts, seconds, bin_seconds, bottom=bottoms, align="edge", color=colour, label=label)
            bottoms = [bottom + waited for bottom, waited in zip(bottoms, seconds, strict=True)]
        axes.set_xlabel("seconds since reading began")
        axes.set_ylabel(f"waited, of {bin_seconds:g} s")
        figure.legend(loc="outside upper left", frameon=False, ncols=3, fontsize=7, handlelength=1)
        _grid(axes, "y")
    return _svg(figure, name)


def draw_probed(probed: Probed, name: str) -> str:
    """Draw the p99 of each window over time.

    A curve beside reading, one without it, and what was promised.
    """
    with _figure(name, 1.9) as (figure, axes):
        for label, colour, is_resting in (
            ("p99 without us", _SERIES[2], True),
            ("p99 beside reading", _SERIES[0], False),
        ):
            windows = [window for window in probed.windows if (window.kind == "resting") == is_resting]
            middles = [window.at_seconds + window.seconds / 2 for window in windows]
            high = [window.p99_milliseconds for window in windows]
            axes.plot(middles, high, color=colour, label=label, marker=".", linewidth=1.2)
        if probed.promised is not None and probed.resting_p99_milliseconds is not None:
            limit = probed.promised * probed.resting_p99_milliseconds
            axes.axhline(limit, color=_TEXT, linewidth=0.8, linestyle="--", label="promised")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("seconds since measuring began")
        axes.set_ylabel("milliseconds")
        figure.legend(loc="outside upper left", frameon=False, ncols=3, fontsize=7, handlelength=1)
        _grid(axes, "y")
    return _svg(figure, name)


def draw_per_shard(values: Sequence[int], what: str, name: str, *, colour: int) -> str:
    """Draw a figure for each shard, numbered from 0."""
    with _figure(name, 1.5) as (figure, axes):
        if len(values) <= _SEPARATE_BARS:
            axes.bar(range(len(values)), values, 0.8, color=_SERIES[colour])
        else:
            axes.stairs(
                values, [position - 0.5 for position in range(len(values) + 1)], fill=True, color=_SERIES[colour]
            )
        _label_amounts(axes, "shard", what)
    return _svg(figure, name)


def draw_stages(days: Sequence[str], seconds: Sequence[tuple[str, Sequence[float]]], name: str) -> str:
    """Draw how long each stage of each day took.

    One on top of the other.
    """
    with _figure(name, 1.9) as (figure, axes):
        bottoms = [0.0] * len(days)
        for (stage, of_days), colour in zip(seconds, _SERIES, strict=False):
            axes.bar(range(len(days)), of_days, 0.8, bottom=bottoms, color=colour, label=stage)
            bottoms = [bottom + took for bottom, took in zip(bottoms, of_days, strict=True)]
        axes.set_ylabel("seconds")
        _label_days(axes, days)
        figure.legend(loc="outside upper left", frameon=False, ncols=3, fontsize=7, handlelength=1)
        _grid(axes, "y")
    return _svg(figure, name)


def draw_per_day(days: Sequence[str], values: Sequence[int], what: str, name: str) -> str:
    """Draw a figure for each day."""
    with _figure(name, 1.6) as (figure, axes):
        axes.bar(range(len(days)), values, 0.8, color=_SERIES[3])
        _label_amounts(axes, "", what)
        _label_days(axes, days)
    return _svg(figure, name)


@contextmanager
def _figure(name: str, height_inches: float) -> Iterator[tuple[Figure, Axes]]:
    # The salt makes the ids inside the picture the same each time, and others in each picture of a page.
    with mpl.rc_context(_STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=(_INCHES, height_inches), layout="constrained")
        yield figure, figure.add_subplot()


def _svg(figure: Figure, name: str) -> str:
    """Return the picture without its XML head, its colours as the page's, its ids its own."""
    stream = io.StringIO()
    with mpl.rc_context(_STYLE | {"svg.hashsalt": name}):
        figure.patch.set_alpha(0)
        for axes in figure.axes:
            axes.patch.set_alpha(0)
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r'<svg ([^>]*?)width="[^"]*"', r'<svg aria-hidden="true" focusable="false" \1', text, count=1)
    text = re.sub(r'(<svg [^>]*?)height="[^"]*"', r"\1", text, count=1)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    # Text without a colour of its own is black in SVG, on a dark page, too.
    return text.replace("<text ", '<text fill="currentColor" ')


def _bars(timelines: Sequence[Timeline]) -> Iterator[tuple[str, str, datetime, datetime]]:
    """Give label, job, begin and end of the first tasks of each execution; of the whole where no times are known."""
    for timeline in timelines:
        timed = [task for task in timeline.tasks if task.began_at is not None and task.ended_at is not None]
        if not timed:
            yield _label(timeline, None), timeline.job, timeline.began_at, timeline.ended_at
        for task in timed[:_SHOWN_TASKS]:
            if task.began_at is not None and task.ended_at is not None:
                yield _label(timeline, task.task), timeline.job, task.began_at, task.ended_at


def _label(timeline: Timeline, task: int | None) -> str:
    names = {"exporter": "export", "processor": "process" if task is None else f"task {task}", "loader": "load"}
    return names[timeline.job]


def _seconds(begin: datetime, end: datetime) -> float:
    return (end - begin).total_seconds()


def _label_amounts(axes: Axes, horizontal: str, vertical: str) -> None:
    axes.set_xlabel(horizontal)
    axes.set_ylabel(vertical)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))  # one shard has no half
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short_amount(value)))
    _grid(axes, "y")


def _label_days(axes: Axes, days: Sequence[str]) -> None:
    step = max(1, -(-len(days) // 6))
    axes.set_xticks(range(0, len(days), step), [day[5:] for day in days[::step]])


def _short_amount(value: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _grid(axes: Axes, axis: Any) -> None:  # noqa: ANN401 - one of the library's own literals
    axes.grid(visible=True, axis=axis, color=_GRID, linewidth=0.5)
    axes.set_axisbelow(True)
