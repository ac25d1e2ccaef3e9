"""Chooses what is seen on stderr.

Bars on a terminal, plain lines anywhere else, JSON if wanted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TextIO

from chain.views.range_view import DaysView, PlainDaysView, SilentDaysView
from chain.views.run_view import PlainView, ProgressMode, SilentView, View

_MAY_MAKE_A_TERMINAL = ("FORCE_COLOR", "TTY_COMPATIBLE")
"""The variables that make rich treat any stream as a terminal."""


def _is_plain(stream: TextIO) -> bool:
    """Return whether rich, which is slow to import, would say that there is no terminal."""
    return not stream.isatty() and not any(name in os.environ for name in _MAY_MAKE_A_TERMINAL)


@contextmanager
def open_view(stream: TextIO, mode: ProgressMode, day: date) -> Iterator[View]:
    """Yield the view that `mode` asks for.

    `auto`: bars where `stream` is a terminal that can show them, else plain lines.
    """
    if mode == "json":
        from chain.views.progress_json import JsonView  # noqa: PLC0415 - only where it is wanted

        yield JsonView(stream, day)
        return
    if mode == "none":
        yield SilentView()
        return
    if _is_plain(stream):
        yield PlainView(stream)
        return
    from rich.console import Console  # noqa: PLC0415 - where there is no terminal, nothing needs it

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
        from chain.views.progress_json import JsonDaysView  # noqa: PLC0415 - only where it is wanted

        yield JsonDaysView(stream)
        return
    if mode == "none":
        yield SilentDaysView(stream)
        return
    if _is_plain(stream):
        yield PlainDaysView(stream)
        return
    from rich.console import Console  # noqa: PLC0415 - where there is no terminal, nothing needs it

    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    if not console.is_terminal or console.is_dumb_terminal:
        yield PlainDaysView(stream)
        return
    from chain.views.range_terminal import TerminalDaysView  # noqa: PLC0415 - only where there is a terminal

    with TerminalDaysView(console, days) as view:
        yield view
