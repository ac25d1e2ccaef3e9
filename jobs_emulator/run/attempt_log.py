"""The log of one attempt.

A file with what the process wrote, byte for byte, and its lines as entries.
"""

from __future__ import annotations

import os
from pathlib import Path

from jobs_emulator.clock import Clock
from jobs_emulator.logs.entries import LINE_BYTES_MAX, EntrySink, LogOrigin, line_entry, system_entry
from jobs_emulator.names import ExecutionName

FILE_BYTES_MAX = 256 * 2**20
"""An attempt's file ends here, with a sentence that says so: a task gone wild must not fill the disk."""


def execution_folder(folder: Path, name: ExecutionName) -> Path:
    """Where the logs of an execution lie."""
    return folder / name.project / name.location / name.job / name.execution


def log_path(folder: Path, name: ExecutionName, task_index: int, attempt: int) -> Path:
    """The log file of an attempt.

    It exists only when the attempt wrote something.
    """
    return execution_folder(folder, name) / f"task{task_index}-attempt{attempt}.log"


class AttemptLog:
    """Takes an attempt's output; the file is made at the first byte."""

    def __init__(self, folder: Path, origin: LogOrigin, entries: EntrySink | None, clock: Clock) -> None:
        self._folder = folder
        self._origin = origin
        self._entries = entries
        self._clock = clock
        self._file = -1
        self._written_bytes = 0
        self._full = False
        self._partial = {"stdout": b"", "stderr": b""}

    def write(self, stream: str, data: bytes) -> None:
        """Appends what the process wrote to `stdout` or `stderr`."""
        self._append(data)
        if self._entries is not None:
            *lines, rest = (self._partial[stream] + data).split(b"\n")
            while len(rest) > LINE_BYTES_MAX:
                lines.append(rest[:LINE_BYTES_MAX])
                rest = rest[LINE_BYTES_MAX:]
            self._partial[stream] = rest
            for line in lines:
                self._emit(stream, line)

    def system(self, severity: str, message: str) -> None:
        """Notes what the platform did with the attempt.

        In the entries only, as in the cloud.
        """
        if self._entries is not None:
            self._entries(system_entry(self._origin, severity, message, self._clock()))

    def close(self) -> None:
        """Emits a last line without a line end and closes the file."""
        for stream, rest in self._partial.items():
            if rest:
                self._emit(stream, rest)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _emit(self, stream: str, line: bytes) -> None:
        if self._entries is not None and line:
            self._entries(line_entry(self._origin, stream, line, self._clock()))

    def _append(self, data: bytes) -> None:
        if self._full:
            return
        if self._written_bytes + len(data) > FILE_BYTES_MAX:
            self._full = True
            data = data[: FILE_BYTES_MAX - self._written_bytes] + b"\n[the log ends here: it reached its limit]\n"
        try:
            if self._file < 0:
                origin = self._origin
                path = log_path(self._folder, origin.execution, origin.task_index, origin.attempt)
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            while data:
                written = os.write(self._file, data)
                self._written_bytes += written
                data = data[written:]
        except OSError as exc:  # a full disk ends the log, not the task: it runs on, as it would in the cloud
            self._full = True
            self.system("ERROR", f"The log file of the attempt cannot be written: {exc}")
