"""polars never commits an object: only our own code does, after all went well."""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.io.plugins import register_io_source

from staging.errors import IntegrityError, PenstockError
from staging.folder.store import FolderStore, open_folder_store
from staging.parquet_object import ParquetObject
from staging.store import ObjectInfo, ObjectWriter

FRAME = pl.DataFrame({"key": range(60_000), "text": [f"{n * 7919 % 60_013}" for n in range(60_000)]})
BATCHES = [FRAME[at : at + 10_000] for at in range(0, FRAME.height, 10_000)]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    """An empty store."""
    return open_folder_store((tmp_path / "staging").as_uri())


class Failing:
    """A writer that fails at its so-manieth write, counted from 0."""

    def __init__(self, inner: ObjectWriter, at: int) -> None:
        self._inner = inner
        self._left = at
        self.has_failed = False

    def write(self, data: bytes | bytearray | memoryview) -> int:
        self._left -= 1
        if self._left < 0:
            self.has_failed = True
            raise OSError(28, "No space left on device")
        return self._inner.write(data)

    def commit(self) -> ObjectInfo:
        return self._inner.commit()

    def abort(self) -> None:
        self._inner.abort()


def sink(target: ParquetObject, fail_at: int | None = None) -> None:
    def batches(*_: object) -> Iterator[pl.DataFrame]:
        for number, batch in enumerate(BATCHES):
            if number == fail_at:
                raise ZeroDivisionError
            yield batch

    frame = register_io_source(batches, schema=FRAME.schema)
    frame.sink_parquet(target, row_group_size=20_000, engine="streaming")  # type: ignore[call-overload] # polars' stubs want a whole IO[bytes]


def expect_nothing(store: FolderStore) -> None:
    gc.collect()
    assert list(store.list("")) == []
    again = open_folder_store(store.url)
    assert list(again.list("")) == []


def test_a_whole_file_is_committed_with_what_was_written(store: FolderStore) -> None:
    target = ParquetObject("a", store.create_stream("a"))
    sink(target)
    assert store.find("a") is None, "polars closed the file, which must mean nothing"
    file = target.commit(FRAME.height)
    data, info = store.read("a", generation=file.generation)
    assert (file.size_bytes, file.crc32c, file.rows) == (info.size_bytes, info.crc32c, FRAME.height)
    assert file.sha256 == hashlib.sha256(data).hexdigest()
    assert pl.read_parquet(data).equals(FRAME)


@pytest.mark.parametrize("fail_at", range(len(BATCHES)))
def test_a_generator_that_fails_at_any_batch_leaves_no_object(store: FolderStore, fail_at: int) -> None:
    target = ParquetObject("a", store.create_stream("a"))
    with pytest.raises((ZeroDivisionError, pl.exceptions.ComputeError)):
        sink(target, fail_at)
    del target
    expect_nothing(store)


def test_a_writer_that_fails_at_any_call_leaves_no_object(store: FolderStore) -> None:
    at = 0
    while True:
        writer = Failing(store.create_stream("a"), at)
        target = ParquetObject("a", writer)
        try:
            sink(target)
        except (OSError, pl.exceptions.PolarsError):
            assert writer.has_failed
        if not writer.has_failed:
            break
        writer.abort()
        del target, writer
        expect_nothing(store)
        at += 1
    assert at > 5
    target.abort()
    expect_nothing(store)


def test_flush_close_and_context_commit_nothing(store: FolderStore) -> None:
    target = ParquetObject("a", store.create_stream("a"))
    with target:
        target.write(b"x")
        target.flush()
    target.close()
    expect_nothing(store)
    assert target.commit(0).size_bytes == 1


def test_an_aborted_object_is_not_committed(store: FolderStore) -> None:
    target = ParquetObject("a", store.create_stream("a"))
    target.write(b"x")
    target.abort()
    target.abort()
    with pytest.raises(PenstockError):
        target.commit(0)
    expect_nothing(store)


def test_bytes_that_changed_before_they_reached_the_store_are_told(store: FolderStore) -> None:
    class Flipping(Failing):
        def write(self, data: bytes | bytearray | memoryview) -> int:
            return self._inner.write(bytes([data[0] ^ 1]) + bytes(data[1:]))

    target = ParquetObject("a", Flipping(store.create_stream("a"), 0))
    target.write(b"some bytes")
    with pytest.raises(IntegrityError, match="CRC32C"):
        target.commit(0)


def test_views_are_taken_as_bytes(store: FolderStore) -> None:
    target = ParquetObject("a", store.create_stream("a"))
    for piece in (b"a", bytearray(b"b"), memoryview(b"c")):
        assert target.write(piece) == 1
    assert target.tell() == 3
    target.commit(0)
    assert store.read("a")[0] == b"abc"


@pytest.mark.parametrize("change", [{"size_bytes": 1}, {"crc32c": 1}], ids=str)
def test_a_store_that_says_it_holds_something_else_is_not_believed(store: FolderStore, change: dict[str, int]) -> None:
    class Other(Failing):
        def commit(self) -> ObjectInfo:
            return replace(super().commit(), **change)  # type: ignore[arg-type] # both are numbers

    target = ParquetObject("a", Other(store.create_stream("a"), 10**9))
    sink(target)
    with pytest.raises(IntegrityError, match="is not what was written"):
        target.commit(FRAME.height)
