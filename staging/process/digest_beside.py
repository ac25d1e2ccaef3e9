"""Computes the SHA-256 of bytes while they go on.

In a thread: hashing, copying and writing let other threads run, so two of them take as long as the slower one.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

_WORTH_A_THREAD_BYTES = 64 * 1024


class DigestBeside:
    """The SHA-256 of the bytes that pass by.

    Used as a context, by one thread. At most one piece waits, so memory does not grow.
    """

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._pending: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def update(self, piece: bytes) -> None:
        """Append these bytes, which nobody changes afterwards."""
        self._wait()
        if len(piece) < _WORTH_A_THREAD_BYTES:
            self._sha256.update(piece)
        else:
            self._pending = self._thread.submit(self._sha256.update, piece)

    def restart(self) -> None:
        """Forget everything: what passed by comes again."""
        self._wait()
        self._sha256 = hashlib.sha256()

    def hexdigest(self) -> str:
        """Return the digest of all so far."""
        self._wait()
        return self._sha256.hexdigest()

    def _wait(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()
