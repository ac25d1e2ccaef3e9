"""Reads what attempts write on a separate emulator.

It runs by itself, and is asked over its own small API beside Cloud Run's.
"""

from __future__ import annotations

import http.client
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from chain.jobs.log import add_up, find_error
from staging.process.progress import ProgressLine, parse_progress

_SECONDS = 5.0
_PROGRESS = '{"penstock_progress"'  # how a line of progress begins
_TAIL_BYTES = 64 * 1024


@dataclass(slots=True)
class _Seen:
    """What is known of an execution's progress: each task's newest attempt, and what it said last."""

    time: float = 0.0  # of the last look, by the emulator's clock, in Unix seconds
    tasks: dict[int, tuple[int, ProgressLine]] = field(default_factory=dict)

    def take(self, task: int, attempt: int, line: str) -> None:
        progress = parse_progress(line)
        if progress is not None and attempt >= self.tasks.get(task, (0, progress))[0]:
            self.tasks[task] = (attempt, progress)


class EmulatorLogs:
    """The logs of an emulator; see `AttemptLogs`.

    `address` is `host:port`. An emulator without that API has none to show, and that is no error.
    """

    def __init__(self, address: str, token: str = "") -> None:
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._seen: dict[str, _Seen] = {}

    def progress(self, execution: str) -> ProgressLine:
        """See `AttemptLogs`. It asks only for what came since the last look."""
        seen = self._seen.setdefault(execution, _Seen())
        answer = self._get("last-lines", execution=execution, starts=_PROGRESS, since=repr(seen.time))
        with suppress(ValueError, KeyError, TypeError):
            told = json.loads(answer)
            for each in told["lines"]:
                seen.take(each["task"], each["attempt"], each["line"])
            seen.time = float(told["time"])
        return add_up([line for _, line in seen.tasks.values()])

    def error(self, execution: str, task: int, attempt: int) -> str:
        """See `AttemptLogs`."""
        offset = max(0, self._size_bytes(execution, task, attempt) - _TAIL_BYTES)
        log = self._get("log", execution=execution, task=task, attempt=attempt, offset=offset)
        return find_error(log.decode("utf-8", "replace"))

    def place(self, execution: str, task: int, attempt: int) -> str:
        """See `AttemptLogs`."""
        return f"http://{self._address}{_path('log', execution=execution, task=task, attempt=attempt)}"

    def folder(self, execution: str) -> str:
        """See `AttemptLogs`."""
        return f"http://{self._address}{_path('logs', execution=execution)}"

    def _size_bytes(self, execution: str, task: int, attempt: int) -> int:
        listed = self._get("logs", execution=execution, task=task)
        try:
            return next(int(each["sizeBytes"]) for each in json.loads(listed)["attempts"] if each["attempt"] == attempt)
        except (ValueError, KeyError, TypeError, StopIteration):
            return 0

    def _get(self, page: str, **parameters: Any) -> bytes:  # noqa: ANN401 - texts and numbers
        connection = http.client.HTTPConnection(self._address, timeout=_SECONDS)
        try:
            connection.request("GET", _path(page, **parameters), headers=self._headers)
            response = connection.getresponse()
            return response.read() if response.status == http.client.OK else b""
        except (OSError, http.client.HTTPException):
            return b""  # what a log says makes an error plainer; there is one without it
        finally:
            connection.close()


def _path(page: str, **parameters: Any) -> str:  # noqa: ANN401 - texts and numbers
    return f"/_emulator/{page}?{urlencode(parameters)}"
