"""Decides whether the database is calm.

It asks each signal when it is due, and remembers its answer until then. Fails closed: a signal that can't be read makes
reading wait. One that could never be read because it was asked for wrongly (no right, no such table) is the
configuration's fault, and reported at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from exporter.pacing.signals import PauseReason, Signal
from staging.errors import InputError, IntegrityError, UnavailableError

_UNREADABLE_INTERVAL_SECONDS = 5.0
"""A server that does not answer is not asked every second: each time may cost it a new connection."""


@dataclass
class _Watched:
    signal: Signal
    due_at: float = float("-inf")
    last: PauseReason | None = None
    was_read: bool = False


class Calm:
    """What the signals say, in the order in which they are given."""

    def __init__(self, signals: Sequence[Signal], clock: Callable[[], float]) -> None:
        self._watched = [_Watched(signal) for signal in signals]
        self._clock = clock

    def why_not(self) -> PauseReason | None:
        """Return why to wait, None where it is calm.

        InputError where a signal was never asked for rightly.
        """
        for watched in self._watched:
            if self._clock() >= watched.due_at:
                self._look(watched)
        reasons = [watched.last for watched in self._watched if watched.last is not None]
        return min(reasons, key=lambda reason: not reason.is_critical, default=None)

    def next_look_at(self) -> float:
        """Return when a signal is due next."""
        return min((watched.due_at for watched in self._watched), default=float("inf"))

    def _look(self, watched: _Watched) -> None:
        interval_seconds = watched.signal.interval_seconds
        try:
            watched.last = watched.signal.look()
            watched.was_read = True
        except (InputError, UnavailableError, IntegrityError) as error:
            why = f"{error.what} {error.why}".strip()
            if isinstance(error, InputError) and not watched.was_read:
                raise InputError(f"Pacing can't read {watched.signal.name}.", why=why, fix=error.fix) from error
            watched.last = PauseReason("unreadable_signal", f"{watched.signal.name} can't be read: {why}", error.fix)
            interval_seconds = max(interval_seconds, _UNREADABLE_INTERVAL_SECONDS)
        watched.due_at = self._clock() + interval_seconds
