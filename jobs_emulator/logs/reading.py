"""Reading back what attempts wrote.

Which log files an execution has, and pieces of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs_emulator.records import ExecutionRecord
from jobs_emulator.run.attempt_log import log_path

PIECE_BYTES_MAX = 2**20
TAIL_BYTES = 64 * 1024
"""A last line is looked for in this many bytes of a log's end."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """The log of an attempt.

    Task index and attempt count from 0, `size_bytes` is 0 when it wrote nothing (so far).
    """

    task: int
    attempt: int
    size_bytes: int
    ended: bool


def list_log_files(folder: Path, record: ExecutionRecord, task: int | None = None) -> Iterator[LogFile]:
    """Attempts of an execution in order, or those of one task.

    In order of task and attempt.
    """
    for index in sorted(record.tasks) if task is None else [task]:
        for number, attempt in enumerate(record.tasks[index].attempts if index in record.tasks else ()):
            path = log_path(folder, record.name, index, number)
            size_bytes = path.stat().st_size if path.exists() else 0
            yield LogFile(index, number, size_bytes, bool(attempt.ended_at))


def read_log_piece(folder: Path, record: ExecutionRecord, task: int, attempt: int, offset_bytes: int) -> bytes:
    """At most a mebibyte of an attempt's log from an offset.

    Empty past its end or when there is none.
    """
    path = log_path(folder, record.name, task, attempt)
    try:
        with path.open("rb") as file:
            file.seek(offset_bytes)
            return file.read(PIECE_BYTES_MAX)
    except FileNotFoundError:
        return b""


def newest_attempts(record: ExecutionRecord, since: float) -> list[tuple[int, int]]:
    """Task and attempt of each task's newest attempt.

    Of those that run or have ended since a time (Unix seconds).
    """
    return [
        (index, len(task.attempts) - 1)
        for index, task in record.tasks.items()
        if task.attempts and not 0.0 < task.attempts[-1].ended_at < since
    ]


def read_last_line(path: Path, starts: bytes) -> str:
    """The last whole line of a log that begins with `starts`.

    At the end of the log; nothing where there is none.
    """
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            lines = file.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return ""
    return next((line.decode("utf-8", "replace") for line in reversed(lines) if line.startswith(starts)), "")
