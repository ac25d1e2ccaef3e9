"""How a job says how far it is: a JSON line on stderr, which whoever started the job reads from its log.

Only when `PENSTOCK_PROGRESS` is set, and a few lines a second at most::

    {"penstock_progress": {"rows": 120000, "size_bytes": 1048576, "expected_rows": null, "note": ""}}

Figures are totals of the attempt so far, so that a lost line costs nothing. Progress is for people to look at:
nothing is decided by it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TextIO

VARIABLE = "PENSTOCK_PROGRESS"
_MARK = '{"penstock_progress": '
_SECONDS_BETWEEN_LINES = 0.2


@dataclass(frozen=True, slots=True)
class ProgressLine:
    """How far an attempt is: totals so far. `expected_rows` where it is known, `note` such as the reason of a pause."""

    rows: int = 0
    size_bytes: int = 0
    expected_rows: int | None = None
    note: str = ""


class Progress:
    """Writes progress lines to `stream`, or nothing where there is none."""

    def __init__(self, stream: TextIO | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._next_seconds = 0.0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Progress:
        """Return one that writes to stderr if `PENSTOCK_PROGRESS` asks for it, else a silent one."""
        return cls(sys.stderr if environ.get(VARIABLE) else None)

    def emit(
        self,
        *,
        rows: int = 0,
        size_bytes: int = 0,
        expected_rows: int | None = None,
        note: str = "",
        last: bool = False,
    ) -> None:
        """Say the totals so far; cheap to call often: lines that come too fast are left out, but not the `last`."""
        if self._stream is None or (not last and self._clock() < self._next_seconds):
            return
        self._next_seconds = self._clock() + _SECONDS_BETWEEN_LINES
        line = ProgressLine(rows, size_bytes, expected_rows, note)
        self._stream.write(f"{_MARK}{json.dumps(asdict(line))}}}\n")
        self._stream.flush()


def parse_progress(line: str) -> ProgressLine | None:
    """Return what a line of a log says of progress, or None where it is no such line."""
    if not line.startswith(_MARK):
        return None
    try:
        return progress_of(json.loads(line))
    except ValueError:
        return None


def progress_of(payload: object) -> ProgressLine | None:
    """Return what a parsed line of a log says of progress, or None where it is no such line."""
    if not isinstance(payload, dict) or "penstock_progress" not in payload:
        return None
    try:
        return ProgressLine(**payload["penstock_progress"])
    except TypeError:
        return None
