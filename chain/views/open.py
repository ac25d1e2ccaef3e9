"""Chooses what is seen on stderr.

Bars on a terminal, plain lines anywhere else, JSON if wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TextIO

from chain.views.range_view import DaysView, PlainDaysView, SilentDaysView
from chain.views.run_view import PlainView, ProgressMode, SilentView, View


@contextmanager
def open_view(stream: TextIO, mode: ProgressMode, day: date) -> Iterator[View]:
    """Yield the view that `mode` asks for.

    `auto`: bars where `stream` is a terminal that can show them, else plain lines.
    """
    if mode == "json":
        from chain.views.run_json import JsonView  # noqa: PLC0415 - only where it is wanted

        yield JsonView(stream, day)
        return
    if mode == "none":
        yield SilentView()
        return
    from rich.console import Console  # noqa: PLC0415 - `penstock --help` does without

    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    if not console.is_terminal or console.is_dumb_terminal:
        yield PlainView(stream)
        return
    from chain.views.run_terminal import TerminalView  # noqa: PLC0415 - only where there is a terminal

    with TerminalView(console) as view:
        yield view


@contextmanager
def open_days_view(stream: TextIO, mode: ProgressMode, days: Sequence[date]) -> Iterator[DaysView]:
    """Yield the view of many days that `mode` asks for.

    `auto`: bars where `stream` is a terminal that can show them, else plain lines.
    """
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

    with TerminalDaysView(console, days) as view:
        yield view
