"""Reading back what attempts wrote: which log files an execution has, and pieces of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jobs_emulator.attempt_log import log_path
from jobs_emulator.records import ExecutionRecord

PIECE_BYTES_MAX = 2**20


@dataclass(frozen=True, slots=True)
class LogFile:
    """The log of an attempt; task index and attempt count from 0, `size_bytes` is 0 when it wrote nothing (so far)."""

    task: int
    attempt: int
    size_bytes: int
    ended: bool


def list_log_files(folder: Path, record: ExecutionRecord, task: int | None = None) -> Iterator[LogFile]:
    """Attempts of an execution in order of task and attempt, or those of one task."""
    for index in sorted(record.tasks) if task is None else [task]:
        for number, attempt in enumerate(record.tasks[index].attempts if index in record.tasks else ()):
            path = log_path(folder, record.name, index, number)
            size_bytes = path.stat().st_size if path.exists() else 0
            yield LogFile(index, number, size_bytes, bool(attempt.ended_at))


def read_log_piece(folder: Path, record: ExecutionRecord, task: int, attempt: int, offset_bytes: int) -> bytes:
    """At most a mebibyte of an attempt's log from an offset; empty past its end or when there is none."""
    path = log_path(folder, record.name, task, attempt)
    try:
        with path.open("rb") as file:
            file.seek(offset_bytes)
            return file.read(PIECE_BYTES_MAX)
    except FileNotFoundError:
        return b""
