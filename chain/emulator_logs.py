"""What attempts write on an emulator that runs by itself: asked for over its own small API beside Cloud Run's."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlencode

from chain.job_log import find_error
from staging.progress import ProgressLine

_SECONDS = 5.0
_TAIL_BYTES = 64 * 1024


class EmulatorLogs:
    """See `AttemptLogs`. `address` is `host:port`. An emulator without that API tells nothing, and that is no error."""

    def __init__(self, address: str) -> None:
        self._address = address

    def progress(self, execution: str) -> ProgressLine:  # noqa: ARG002 - asking for every log at every look costs more
        """See `AttemptLogs`."""
        return ProgressLine()

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
            connection.request("GET", _path(page, **parameters))
            response = connection.getresponse()
            return response.read() if response.status == http.client.OK else b""
        except (OSError, http.client.HTTPException):
            return b""  # what a log says makes an error plainer; there is one without it
        finally:
            connection.close()


def _path(page: str, **parameters: Any) -> str:  # noqa: ANN401 - texts and numbers
    return f"/_emulator/{page}?{urlencode(parameters)}"
