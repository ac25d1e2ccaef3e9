"""Reads what attempts on this machine write.

Progress as it comes, errors and addresses from their log files.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from chain.jobs.log import add_up, read_error
from staging.process.progress import ProgressLine, progress_of

_LABEL = "run.googleapis.com/"


class EmulatedLogs:
    """The logs of attempts on this machine; see `AttemptLogs`.

    The emulator calls `take` with every line, and writes below `folder`/project/region.
    """

    def __init__(self, folder: Path, project: str, region: str) -> None:
        self._folder = folder
        self._jobs = folder / project / region
        self._lock = threading.Lock()
        self._tasks: dict[str, dict[str, ProgressLine]] = {}

    def take(self, entry: dict[str, Any]) -> None:
        """Remember the newest progress of each task.

        One that is tried again begins anew.
        """
        progress = progress_of(entry.get("jsonPayload"))
        if progress is None:
            return
        labels = entry["labels"]
        with self._lock:
            tasks = self._tasks.setdefault(labels[f"{_LABEL}execution_name"], {})
            tasks[labels[f"{_LABEL}task_index"]] = progress

    def progress(self, execution: str) -> ProgressLine:
        """See `AttemptLogs`."""
        with self._lock:
            lines = list(self._tasks.get(execution, {}).values())
        return add_up(lines)

    def error(self, execution: str, task: int, attempt: int) -> str:
        """See `AttemptLogs`."""
        path = self._path(execution, task, attempt)
        return read_error(path) if path.exists() else ""

    def place(self, execution: str, task: int, attempt: int) -> str:
        """See `AttemptLogs`; the folder where an attempt wrote nothing."""
        path = self._path(execution, task, attempt)
        return str(path) if path.exists() else str(path.parent)

    def folder(self, execution: str) -> str:  # noqa: ARG002 - one for all
        """See `AttemptLogs`."""
        return str(self._folder)

    def _path(self, execution: str, task: int, attempt: int) -> Path:
        job = execution.rpartition("-")[0]
        return self._jobs / job / execution / f"task{task}-attempt{attempt}.log"
