"""Prints an error as JSON on stdout, with `--json`.

Unless the command's own object is there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from staging.errors import PenstockError
from staging.redaction import redact

TellError = Callable[[PenstockError], None]


@contextmanager
def json_errors(arguments: Sequence[str]) -> Iterator[TellError]:
    """Yield what prints an error as JSON.

    It does nothing without `--json`, or where the command has printed its own.
    """
    if "--json" not in arguments:
        yield lambda _: None
        return
    stdout = sys.stdout
    noted = _NotedStream(stdout)
    sys.stdout = noted

    def tell(error: PenstockError) -> None:
        if not noted.was_written:
            print(json.dumps(error_json(error), ensure_ascii=False))

    try:
        yield tell
    finally:
        sys.stdout = stdout


def error_json(error: PenstockError) -> dict[str, Any]:
    """Return the object: `{"error": {"what", "why", "fix", "exit_code"}}`."""
    texts = {name: redact(getattr(error, name)) for name in ("what", "why", "fix")}
    return {"error": texts | {"exit_code": int(error.exit_code)}}


class _NotedStream:
    """A stream that knows whether anything was written to it; in all else the one it wraps."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.was_written = False

    def write(self, text: str) -> int:
        self.was_written = self.was_written or bool(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self._stream, name)
