"""A file object to give to polars that polars can't commit.

polars drops the file objects it was given, also after an error, and dropping a cloud client's writer *commits* it: a
failing generator left valid, short objects. So polars writes into this: `flush` and `close` do nothing, bytes are
counted and digested on their way, and only our own code calls `commit` after it has seen that all is well.
"""

from __future__ import annotations

import hashlib
import io

import google_crc32c

from staging.documents.manifest import ShardFile
from staging.errors import IntegrityError
from staging.process.digest_beside import DigestBeside
from staging.store import ObjectWriter


class ParquetObject(io.RawIOBase):
    """Passes bytes on to a store's writer, counted and digested.

    The caller commits or aborts. `sha256` is what digests, where it is to be done beside.
    """

    def __init__(self, name: str, writer: ObjectWriter, sha256: DigestBeside | None = None) -> None:
        super().__init__()
        self.object_name = name
        self.size_bytes = 0
        self._writer = writer
        self._sha256 = sha256 or hashlib.sha256()
        self._crc32c = google_crc32c.Checksum()

    def writable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Never: a Parquet file is written from front to back."""
        return False

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override] # RawIOBase has a wider buffer type
        """Pass bytes on."""
        chunk = bytes(data)
        self._writer.write(chunk)
        self._sha256.update(chunk)
        self._crc32c.update(chunk)
        self.size_bytes += len(chunk)
        return len(chunk)

    def tell(self) -> int:
        """Bytes so far."""
        return self.size_bytes

    def flush(self) -> None:
        """Do nothing: flushing is no commit."""

    def close(self) -> None:
        """Do nothing: closing is no commit."""

    def commit(self, rows: int) -> ShardFile:
        """Make the object exist and prove what the store holds.

        It must hold what was written; returns what it is.
        """
        info = self._writer.commit()
        crc32c = int.from_bytes(self._crc32c.digest(), "big")
        if (info.size_bytes, info.crc32c) != (self.size_bytes, crc32c):
            raise IntegrityError(
                f"{self.object_name} is not what was written.",
                why=f"{self.size_bytes} bytes with CRC32C {crc32c} were sent; "
                f"the store holds {info.size_bytes} with {info.crc32c}.",
                fix="Run again; the object counts for nothing.",
            )
        return ShardFile(
            name=self.object_name,
            generation=info.generation,
            size_bytes=self.size_bytes,
            crc32c=crc32c,
            sha256=self._sha256.hexdigest(),
            rows=rows,
        )

    def abort(self) -> None:
        """Leave nothing."""
        self._writer.abort()

    def __del__(self) -> None:
        """RawIOBase would close, which here means nothing."""
