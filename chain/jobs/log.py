"""Reads from a job's log how far it is.

And why it failed.
"""

from __future__ import annotations

from pathlib import Path

from staging.process.progress import ProgressLine, parse_progress

_TAIL_BYTES = 64 * 1024
_ERROR = "error: "


def read_error(path: Path) -> str:
    """Return what `find_error` finds at the end of a log file."""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return find_error(log.read().decode("utf-8", "replace"))


def find_error(text: str) -> str:
    """Return the last `error: …` of a log.

    With the lines that belong to it; else its last line, else nothing.
    """
    lines = [line for line in text.splitlines() if parse_progress(line) is None]
    begins = [number for number, line in enumerate(lines) if line.startswith(_ERROR)]
    if not begins:
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
    end = begins[-1] + 1
    while end < len(lines) and lines[end].startswith("  "):
        end += 1
    return "\n".join(lines[begins[-1] : end]).removeprefix(_ERROR)


def add_up(lines: list[ProgressLine]) -> ProgressLine:
    """Return the sum over the tasks.

    `expected_rows` only where all of them know it.
    """
    lines = [line for line in lines if line != ProgressLine()]
    expected = [line.expected_rows for line in lines]
    return ProgressLine(
        rows=sum(line.rows for line in lines),
        size_bytes=sum(line.size_bytes for line in lines),
        expected_rows=sum(each for each in expected if each is not None) if None not in expected and lines else None,
        note=next((line.note for line in lines if line.note), ""),
    )
