"""Another library reads what the GCS adapter wrote, and writes what it reads."""

from __future__ import annotations

import base64
import hashlib
import io
import random
from pathlib import Path
from typing import Any

import google_crc32c
import polars as pl
import pyarrow.parquet as pq
import pytest

from staging.errors import GenerationChangedError, IntegrityError, ObjectExistsError
from staging.gcs.store import GcsStore, open_gcs_store
from staging.open_store import open_store
from staging.parquet_object import ParquetObject

pytestmark = pytest.mark.integration

BYTES = random.Random(1).randbytes(3_000_000)


@pytest.fixture
def bucket(gcs_bucket: str) -> str:
    """The bucket's name, with its server in the environment."""
    return gcs_bucket.removeprefix("gs://")


@pytest.fixture
def other(gcs_endpoint: str) -> Any:
    """The independent client, without a cache. Its core: the outer class asks for the bucket's kind for a minute."""
    from gcsfs.core import GCSFileSystem

    return GCSFileSystem(endpoint_url=gcs_endpoint, token="anon", cache_timeout=0, skip_instance_cache=True)


def test_another_client_reads_the_same_objects(bucket: str, other: Any) -> None:
    with open_store(f"gs://{bucket}/a/prefix") as store:
        small = store.create("day=1/small.json", b"small")
        head = store.replace("day=1/small.json", b"replaced", generation=small.generation)
        writer = store.create_stream("day=1/large.bin")
        writer.write(BYTES)
        large = writer.commit()
    assert sorted(other.find(bucket)) == [f"{bucket}/a/prefix/day=1/large.bin", f"{bucket}/a/prefix/day=1/small.json"]
    assert other.cat(f"{bucket}/a/prefix/day=1/small.json") == b"replaced"
    assert other.cat(f"{bucket}/a/prefix/day=1/large.bin") == BYTES
    for info in (head, large):
        seen = other.info(f"{bucket}/a/prefix/{info.name}")
        assert int(seen["generation"]) == info.generation
        assert seen["size"] == info.size_bytes
        assert int.from_bytes(base64.b64decode(seen["crc32c"]), "big") == info.crc32c


def test_what_another_client_wrote_is_read(bucket: str, other: Any, tmp_path: Path) -> None:
    other.pipe_file(f"{bucket}/p/small", b"theirs")
    other.pipe_file(f"{bucket}/p/large", BYTES[:1_000_000])
    other.pipe_file(f"{bucket}/p/empty", b"")
    with open_store(f"gs://{bucket}/p") as store:
        data, info = store.read("small")
        assert (data, info.crc32c) == (b"theirs", google_crc32c.value(b"theirs"))
        assert store.read("empty")[0] == b""
        store.download("large", tmp_path / "large")
        assert (tmp_path / "large").read_bytes() == BYTES[:1_000_000]
        assert [found.name for found in store.list("")] == ["empty", "large", "small"]


def test_neither_client_overwrites_what_the_other_created(bucket: str, other: Any) -> None:
    with open_store(f"gs://{bucket}/p") as store:
        store.create("ours", b"ours")
        with pytest.raises(FileExistsError):
            other.pipe_file(f"{bucket}/p/ours", b"theirs", mode="create")
        other.pipe_file(f"{bucket}/p/theirs", b"theirs", mode="create")
        with pytest.raises(ObjectExistsError):
            store.create("theirs", b"ours")
        assert store.read("ours")[0] == b"ours"
        assert other.cat(f"{bucket}/p/theirs") == b"theirs"


def test_a_replace_by_another_client_is_seen_by_generation(bucket: str, other: Any) -> None:
    with open_store(f"gs://{bucket}/p") as store:
        ours = store.create("head", b"ours")
        other.pipe_file(f"{bucket}/p/head", b"theirs")
        with pytest.raises(GenerationChangedError):
            store.replace("head", b"ours again", generation=ours.generation)
        with pytest.raises(IntegrityError):
            store.read("head", generation=ours.generation)
        assert store.read("head")[0] == b"theirs"


def test_an_uncommitted_stream_is_invisible_to_another_client(bucket: str, other: Any) -> None:
    with open_gcs_store(f"gs://{bucket}/p", buffers_bytes=1 << 18) as store:
        writer = store.create_stream("a")
        writer.write(BYTES)
        assert other.find(bucket) == []
        writer.commit()
        other.invalidate_cache()
        assert other.find(bucket) == [f"{bucket}/p/a"]


def test_parquet_of_polars_is_read_alike_by_pyarrow_through_another_client(bucket: str, other: Any) -> None:
    frame = pl.DataFrame({"user_id": range(100_000), "amount": [f"{n}.{n % 100:02d}" for n in range(100_000)]})
    frame = frame.with_columns(pl.col("amount").str.to_decimal(scale=2).cast(pl.Decimal(12, 2)))
    with open_store(f"gs://{bucket}/p") as store:
        assert isinstance(store, GcsStore)
        target = ParquetObject("0.parquet", store.create_stream("0.parquet"))
        frame.lazy().sink_parquet(target, row_group_size=10_000)  # type: ignore[call-overload] # polars' stubs want a whole IO[bytes]
        file = target.commit(frame.height)
    data = other.cat(f"{bucket}/p/0.parquet")
    assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size_bytes, file.sha256)
    table = pq.read_table(io.BytesIO(data))
    assert table.num_rows == file.rows == frame.height
    assert pl.DataFrame(table).equals(frame)
