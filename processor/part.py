"""Writes a part: the same rows give the same bytes.

Neither the writer nor the number of threads matters.
"""

from __future__ import annotations

import hashlib
import io

import polars as pl

from staging.documents.manifest import ShardFile
from staging.errors import IntegrityError, ObjectExistsError
from staging.parquet_object import ParquetObject
from staging.process.cancel import Cancel
from staging.store import Store

_ROW_GROUP_ROWS = 128 * 1024
_DATA_PAGE_BYTES = 1 << 20
_CHUNK_BYTES = 4 << 20


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


def write_part(store: Store, name: str, rows: pl.DataFrame, cancel: Cancel) -> ShardFile:
    """Create the object, or find it there with these very bytes.

    Another attempt may have left it. Other bytes under this name: IntegrityError, as the transform is not deterministic
    then.
    """
    data = encode_part(rows)
    target = ParquetObject(name, store.create_stream(name))
    try:
        for start in range(0, len(data), _CHUNK_BYTES):
            cancel.check()
            target.write(data[start : start + _CHUNK_BYTES])
        cancel.check()
        return target.commit(rows.height)
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
