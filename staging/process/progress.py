"""Reports how far a job is, as JSON lines on stderr.

The starter of the job reads them from its log.

Only when `PENSTOCK_PROGRESS` is set, and a few lines a second at most::

    {"penstock_progress": {"rows": 120000, "size_bytes": 1048576, "expected_rows": null, "note": ""}}

Figures are totals of the attempt so far, so that a lost line costs nothing. Progress is for people to look at:
nothing is decided by it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TextIO

from staging.process.phases import JobIdentity, Phase, PhaseLog, doing
from staging.telemetry.span import NO_SPAN, Span

VARIABLE = "PENSTOCK_PROGRESS"
_MARK = '{"penstock_progress": '
_SECONDS_BETWEEN_LINES = 0.2

PAUSED = "paused: "
"""The beginning of the note of a read that waits; the reason follows."""


@dataclass(frozen=True, slots=True)
class ProgressLine:
    """How far an attempt is: totals so far.

    `expected_rows` where it is known, `note` such as the reason of a pause.
    """

    rows: int = 0
    size_bytes: int = 0
    expected_rows: int | None = None
    note: str = ""


class Progress:
    """Writes progress lines to `stream`, or nothing where there is none.

    Safe to use from many threads.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        phases: PhaseLog | None = None,
        span: Span = NO_SPAN,
    ) -> None:
        self._stream = stream
        self._phases = phases or PhaseLog()
        self._span = span
        self._phase: Phase | None = None
        self._clock = clock
        self._next_seconds = 0.0
        self._last = ProgressLine()
        self._lock = threading.Lock()

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], identity: JobIdentity | None = None, span: Span = NO_SPAN
    ) -> Progress:
        """Return one that writes to stderr if `PENSTOCK_PROGRESS` asks.

        Else one that logs phases alone. `span` gets phases and totals, too.
        """
        is_watched = bool(environ.get(VARIABLE))
        phases = PhaseLog.from_environment(environ, identity or JobIdentity("penstock"), is_watched=is_watched)
        return cls(sys.stderr if is_watched else None, phases=phases, span=span)

    def begin(self, phase: Phase, text: str = "") -> None:
        """Say which phase begins.

        At once, and once where it is said again.
        """
        if phase == self._phase:
            return
        self._phase = phase
        self._phases.begin(phase, text)
        self._span.begin_phase(phase)
        if self._stream is not None:
            with self._lock:
                self._write(replace(self._last, note=doing(phase)), last=True)

    def emit(
        self,
        *,
        rows: int = 0,
        size_bytes: int = 0,
        expected_rows: int | None = None,
        note: str = "",
        last: bool = False,
    ) -> None:
        """Say the totals so far.

        Cheap to call often: lines that come too fast are left out, but not the `last`.
        """
        self._span.count(rows, size_bytes)
        if self._stream is None:
            return
        with self._lock:
            self._last = ProgressLine(rows, size_bytes, expected_rows, note)
            self._write(self._last, last=last)

    def say(self, note: str) -> None:
        """Repeat the last totals with a note.

        Such as why there are no new ones.
        """
        if self._stream is None:
            return
        with self._lock:
            self._write(replace(self._last, note=note), last=False)

    def _write(self, line: ProgressLine, *, last: bool) -> None:
        if self._stream is None or (not last and self._clock() < self._next_seconds):
            return
        self._next_seconds = self._clock() + _SECONDS_BETWEEN_LINES
        self._stream.write(f"{_MARK}{json.dumps(asdict(line))}}}\n")
        self._stream.flush()


def parse_progress(line: str) -> ProgressLine | None:
    """Return what a line of a log says of progress.

    None where it is no such line.
    """
    if not line.startswith(_MARK):
        return None
    try:
        return progress_of(json.loads(line))
    except ValueError:
        return None


def progress_of(payload: object) -> ProgressLine | None:
    """Return what a parsed line says of progress.

    None where it is no such line.
    """
    if not isinstance(payload, dict) or "penstock_progress" not in payload:
        return None
    try:
        return ProgressLine(**payload["penstock_progress"])
    except TypeError:
        return None
