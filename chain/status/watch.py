"""Watches days until all are at rest.

Redrawn on a terminal, a line for each change elsewhere.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace

from chain.status.day import DayStatus
from chain.status.view import Style, format_days
from staging.errors import InterruptedRunError
from staging.process.cancel import Cancel

_SECONDS = 2.0

Look = Callable[[], Sequence[DayStatus]]
Show = Callable[[Sequence[DayStatus]], None]


def watch_days(look: Look, show: Show, cancel: Cancel, *, seconds: float = _SECONDS) -> None:
    """Show the days again until every one is at rest.

    Or until somebody has seen enough (Ctrl-C), which is no error. A day is at rest if two looks in a row say so: a
    back-fill has a moment between two of its days.
    """
    rested = False
    while True:
        days = look()
        show(days)
        rests = all(day.at_rest for day in days)
        if rests and rested:
            return
        rested = rests
        try:
            cancel.wait(seconds)
        except InterruptedRunError:
            return


class ChangedDays:
    """Passes on each day that has changed.

    Since it was last seen.
    """

    def __init__(self, write: Callable[[DayStatus], None]) -> None:
        self._write = write
        self._seen: dict[object, DayStatus] = {}

    def __call__(self, days: Sequence[DayStatus]) -> None:
        """See `Show`. That a lease was renewed is no change."""
        for status in days:
            now = _without_renewal(status)
            if self._seen.get(status.day) != now:
                self._seen[status.day] = now
                self._write(status)


def watch_on_terminal(look: Look, cancel: Cancel, style: Style) -> None:
    """Draw the table over itself; it stays when the watching ends."""
    from rich.console import Console  # noqa: PLC0415 - only where there is a terminal
    from rich.live import Live  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    with Live(console=Console(highlight=False), auto_refresh=False, vertical_overflow="crop") as live:

        def show(days: Sequence[DayStatus]) -> None:
            text = format_days(days, style=style, columns=shutil.get_terminal_size().columns, whole=len(days) == 1)
            live.update(Text.from_ansi(text), refresh=True)

        watch_days(look, show, cancel)


def _without_renewal(status: DayStatus) -> DayStatus:
    holder = status.holder
    return replace(status, holder=replace(holder, until=holder.since)) if holder else status
