"""Creates an object in GCS as a stream.

Chunks go into a session that only `commit` finishes; a dropped writer leaves nothing.
"""

from __future__ import annotations

import weakref

import google_crc32c

from staging.gcs.objects import AT_ONCE_BYTES, GcsObjects, session_over
from staging.gcs.session import CHUNK_UNIT_BYTES, UploadSession
from staging.store import ObjectInfo
from staging.store_errors import corrupt, exists, writer_over

BUFFERS_BYTES = 64 * 1024 * 1024
_MOST_CHUNK_BYTES = 8 * 1024 * 1024


class ChunkBudget:
    """Shares the memory of all buffers among the writers that are open.

    Few writers, large chunks.
    """

    def __init__(self, total_bytes: int) -> None:
        self._total_bytes = total_bytes
        self._writers: weakref.WeakSet[GcsWriter] = weakref.WeakSet()

    def join(self, writer: GcsWriter) -> None:
        """Count a writer in until it leaves or is dropped."""
        self._writers.add(writer)

    def leave(self, writer: GcsWriter) -> None:
        """Count a writer out."""
        self._writers.discard(writer)

    def chunk_bytes(self) -> int:
        """Return how much a writer may buffer now.

        A multiple of what the protocol demands.
        """
        units = self._total_bytes // max(1, len(self._writers)) // CHUNK_UNIT_BYTES
        return min(_MOST_CHUNK_BYTES, max(1, units) * CHUNK_UNIT_BYTES)


class GcsWriter:
    """An `ObjectWriter`.

    Nothing happens when it is garbage-collected: a session that is not finished is no object.
    """

    def __init__(self, objects: GcsObjects, name: str, budget: ChunkBudget) -> None:
        self._objects = objects
        self._name = name
        self._budget = budget
        self._session: UploadSession | None = None
        self._buffer = bytearray()
        self._size_bytes = 0
        self._crc32c = 0
        self._open = True
        budget.join(self)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """See `ObjectWriter.write`."""
        self._check_open()
        chunk = bytes(data)  # no copy when it is bytes
        self._buffer += chunk
        self._size_bytes += len(chunk)
        self._crc32c = google_crc32c.extend(self._crc32c, chunk)
        # Strictly more than a chunk: the last one, which finishes the object, is never empty.
        while len(self._buffer) > (chunk_bytes := self._budget.chunk_bytes()):
            self._send(bytes(memoryview(self._buffer)[:chunk_bytes]))
            del self._buffer[:chunk_bytes]
        return len(chunk)

    def commit(self) -> ObjectInfo:
        """See `ObjectWriter.commit`."""
        self._check_open()
        try:
            info = self._finish() or self._find_same()
            if (info.size_bytes, info.crc32c) != (self._size_bytes, self._crc32c):
                raise corrupt(self._name, f"CRC32C {self._crc32c} was sent; the bucket holds {info.crc32c}.")
            self._session = None  # finished: there is nothing to cancel
            return info
        finally:
            self.abort()

    def abort(self) -> None:
        """See `ObjectWriter.abort`."""
        self._open = False
        self._budget.leave(self)
        self._buffer = bytearray()
        session, self._session = self._session, None
        if session is not None:
            session.cancel()

    def _send(self, chunk: bytes) -> None:
        try:
            if self._session is None:
                self._session = self._objects.begin(self._name)
            self._objects.send(self._name, self._session, chunk)
        except BaseException:
            self.abort()  # later bytes must not be taken for the whole
            raise

    def _finish(self) -> ObjectInfo | None:
        last = bytes(self._buffer)
        if self._session is None and len(last) <= AT_ONCE_BYTES:
            return self._objects.upload(self._name, last, replacing=0)
        if self._session is None:
            self._session = self._objects.begin(self._name)
        return self._objects.finish(self._name, self._session, last, crc32c=self._crc32c)

    def _find_same(self) -> ObjectInfo:
        """Return what is under the name: ours, if the reply was lost, or another attempt's with the same bytes."""
        if (info := self._objects.find(self._name)) is None:
            raise session_over(self._name, self._session.refused if self._session else "")
        if (info.size_bytes, info.crc32c) != (self._size_bytes, self._crc32c):
            raise exists(self._name)
        return info

    def _check_open(self) -> None:
        if not self._open:
            raise writer_over(self._name)
