"""Keeps the latencies of probes, by what we did meanwhile.

Windows without a statement of ours take turns with windows of reading. A probe that overlaps the edge of a window
belongs to none.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from exporter.pacing.promise.controller import percentile
from staging.documents.manifest import ProbeWindow, WindowKind

_MOST_WINDOWS = 200


@dataclass(frozen=True, slots=True)
class Probe:
    """One run of the statement, from its sending to its answer.

    If not `was_run`, it became due at `began` while another one ran, and would have taken at least so long.
    """

    began: float
    ended: float
    was_run: bool = True

    @property
    def seconds(self) -> float:
        """How long somebody waited for it."""
        return self.ended - self.began


@dataclass(slots=True)
class Window:
    """A stretch of time of one kind.

    `ended` is None while it is open.
    """

    kind: WindowKind
    began: float
    nice: float
    ended: float | None = None
    latencies: array[float] = field(default_factory=lambda: array("d"))


class Windows:
    """Windows of one read, the last of them maybe open.

    Used by one thread at a time.
    """

    def __init__(self) -> None:
        self._all: list[Window] = []
        self._began: float | None = None

    @property
    def open_kind(self) -> WindowKind | None:
        """The kind of the open window, None where there is none."""
        return self._all[-1].kind if self._all and self._all[-1].ended is None else None

    def open(self, kind: WindowKind, now: float, nice: float) -> None:
        """Begin a window; one that is open has been closed before."""
        self._began = now if self._began is None else self._began
        self._all.append(Window(kind, now, nice))

    def close(self, now: float) -> None:
        """End the open window, if there is one."""
        if self.open_kind is not None:
            self._all[-1].ended = now
            self._bound()

    def add(self, probes: Iterable[Probe]) -> Iterator[tuple[WindowKind, Probe]]:
        """Count probes of the open window; give its kind with each."""
        for probe in probes:
            if self.open_kind is not None and probe.began >= self._all[-1].began:
                self._all[-1].latencies.append(probe.seconds)
                yield self._all[-1].kind, probe

    def latencies(self, *, resting: bool) -> array[float]:
        """Return those of all windows, of rests or of all others."""
        found = array("d")
        for window in self._all:
            if (window.kind == "resting") == resting:
                found.extend(window.latencies)
        return found

    def kinds(self) -> set[WindowKind]:
        """Return the kinds that there are."""
        return {window.kind for window in self._all}

    def describe(self) -> tuple[ProbeWindow, ...]:
        """Return those that have a probe, for the manifest."""
        return tuple(self._describe(window) for window in self._all if window.latencies)

    def _describe(self, window: Window) -> ProbeWindow:
        began = self._began or 0.0
        middle, high = (percentile(window.latencies, share) for share in (0.5, 0.99))
        return ProbeWindow(
            at_seconds=round(window.began - began, 3),
            seconds=round((window.ended if window.ended is not None else window.began) - window.began, 3),
            kind=window.kind,
            nice=window.nice,
            probes=len(window.latencies),
            p50_milliseconds=round(middle * 1000, 3),
            p99_milliseconds=round(high * 1000, 3),
        )

    def _bound(self) -> None:
        """Join neighbours of one kind where there are many windows."""
        if len(self._all) < _MOST_WINDOWS:
            return
        joined: list[Window] = []
        for kind in dict.fromkeys(window.kind for window in self._all):
            of_kind = [window for window in self._all if window.kind == kind]
            joined += [_join(first, second) for first, second in zip_longest(of_kind[::2], of_kind[1::2])]
        self._all = sorted(joined, key=lambda window: window.began)


def _join(first: Window, second: Window | None) -> Window:
    if second is None:
        return first
    return Window(
        first.kind, first.began, max(first.nice, second.nice), second.ended, first.latencies + second.latencies
    )
