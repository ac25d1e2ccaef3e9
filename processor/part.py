"""Writes a part: the same rows give the same bytes.

Neither the writer nor the number of threads matters.
"""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

import polars as pl

from staging.documents.manifest import ShardFile
from staging.errors import IntegrityError, ObjectExistsError
from staging.parquet_object import ParquetObject
from staging.process.cancel import Cancel
from staging.process.digest_beside import DigestBeside
from staging.store import Store

_ROW_GROUP_ROWS = 128 * 1024
_DATA_PAGE_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20


def encode_part(rows: pl.DataFrame) -> memoryview:
    """Return the rows as Parquet.

    Everything that decides the bytes is pinned here; polars writes no time of day.
    """
    buffer = io.BytesIO()
    rows.write_parquet(
        buffer,
        compression="zstd",
        compression_level=1,
        statistics={"min": True, "max": True, "null_count": True, "distinct_count": False},
        row_group_size=_ROW_GROUP_ROWS,
        data_page_size=_DATA_PAGE_BYTES,
    )
    # Of the bytes, which are not copied: a buffer that is looked into can't be closed.
    return memoryview(buffer.getvalue())


class PartEncoder:
    """A thread that encodes a part while its rows are checked.

    Used as a context. Nothing of it counts before `write_part`.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._begun: Future[memoryview] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def begin(self, rows: pl.DataFrame) -> None:
        """Begin with these rows."""
        self._begun = self._thread.submit(encode_part, rows)

    def finish(self) -> memoryview:
        """Return them encoded."""
        if self._begun is None:
            raise RuntimeError("no rows were given")
        return self._begun.result()


def write_part(store: Store, name: str, data: memoryview, rows: int, cancel: Cancel) -> ShardFile:
    """Create the object, or find it there with these very bytes.

    Another attempt may have left it. Other bytes under this name: IntegrityError, as the transform is not deterministic
    then.
    """
    with DigestBeside() as sha256:
        target = ParquetObject(name, store.create_stream(name), sha256)
        try:
            for start in range(0, len(data), _CHUNK_BYTES):
                cancel.check()
                target.write(data[start : start + _CHUNK_BYTES])
            cancel.check()
            return target.commit(rows)
        except ObjectExistsError as exc:
            raise not_deterministic(store, name, hashlib.sha256(data).hexdigest()) from exc
        finally:
            target.abort()


def not_deterministic(store: Store, name: str, sha256: str) -> IntegrityError:
    """Return an error that names both objects.

    What is there, and what this attempt would have written.
    """
    data, info = store.read(name, max_bytes=1 << 40)
    return IntegrityError(
        "The transform is not deterministic.",
        why=f"{name} (generation {info.generation}) has SHA-256 {hashlib.sha256(data).hexdigest()}; "
        f"this attempt made {sha256}.",
        fix="Take clocks, random numbers, unordered `first`/`last` and sums of floats out of it, and start a new run: "
        "penstock reprocess. If the image or the pipeline changed in the middle of the run, that is why.",
    )
