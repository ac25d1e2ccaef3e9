"""Downloads one generation whole.

It continues where a connection broke, and itself counts and sums what arrived. The client library checks the sum only
of downloads in one piece, and only where the reply has the header.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

import google_crc32c
from google.api_core import exceptions as api

from staging.gcs.errors import BadReplyError
from staging.gcs.retry import Patience, Timeout, persist
from staging.local_file import write_to_local_file
from staging.store import Digest, ObjectInfo


class Sink(Protocol):
    """Where a download goes. The SDK calls `write` alone."""

    size_bytes: int
    crc32c: int

    def write(self, data: bytes) -> int:
        """Append."""
        ...

    def restart(self) -> None:
        """Forget everything."""
        ...


class MemorySink:
    """Keeps the bytes."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget everything."""
        self._pieces: list[bytes] = []
        self.size_bytes = self.crc32c = 0

    def write(self, data: bytes) -> int:
        """Append."""
        self._pieces.append(data)
        self.size_bytes += len(data)
        self.crc32c = google_crc32c.extend(self.crc32c, data)
        return len(data)

    def data(self) -> bytes:
        """Return all."""
        return b"".join(self._pieces)


class FileSink:
    """Writes to an open local file."""

    def __init__(self, fd: int, path: Path, digest: Digest | None = None) -> None:
        self._fd = fd
        self._path = path
        self._digest = digest
        self.size_bytes = self.crc32c = 0

    def restart(self) -> None:
        """Forget everything."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        if self._digest is not None:
            self._digest.restart()
        self.size_bytes = self.crc32c = 0

    def write(self, data: bytes) -> int:
        """Append."""
        write_to_local_file(self._fd, data, self._path)
        if self._digest is not None:
            self._digest.update(data)
        self.size_bytes += len(data)
        self.crc32c = google_crc32c.extend(self.crc32c, data)
        return len(data)


def fetch(blob: Any, info: ObjectInfo, sink: Sink, patience: Patience) -> bool:  # noqa: ANN401 - the SDK has no types
    """Fill `sink` with this generation's bytes, as many as `info` says.

    False when it is not there any more.
    """

    def attempt(timeout: Timeout) -> bool:
        before = sink.size_bytes
        try:
            blob.download_to_file(
                sink, start=before or None, raw_download=True, checksum=None, timeout=timeout, retry=None
            )
        except api.NotFound:
            return False
        finally:
            if sink.size_bytes > before:
                patience.progressed()
        if sink.size_bytes < info.size_bytes:
            raise BadReplyError(f"The answer ended after {sink.size_bytes} bytes of {info.size_bytes}.")
        return True

    sink.restart()
    return info.size_bytes == 0 or persist(attempt, patience)
