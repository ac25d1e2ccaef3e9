"""Streams frames into one Parquet object per shard.

Nothing exists until all of them were written and counted. polars partitions, compresses and writes; it never commits.
It loses exceptions on the way (a generator's becomes text, a writer's is swallowed at close), so the first one is kept
here and raised as it was.
"""

from __future__ import annotations

import os
import resource
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl
from polars.io.partition import FileProviderArgs
from polars.io.plugins import register_io_source

from exporter.shards.footer import TAIL_BYTES, footer_bytes, read_row_count
from staging.documents.manifest import ShardFile
from staging.errors import IntegrityError
from staging.parquet_object import ParquetObject
from staging.store import ObjectWriter

_COMMITS_AT_ONCE = 8
_COMPRESSION_LEVEL = 1  # zstd 3 costs a fifth more time for a twentieth less bytes
_MAX_FILE_BYTES = 2**40  # one file a shard
_LEAST_TAIL_BYTES = 64 * 1024

_POLARS_OPEN_FILES = 128
_POLARS_THREADS = 512
_OTHER_FILES = 256


class Failure:
    """The first exception of several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.first: BaseException | None = None

    def keep(self, error: BaseException) -> None:
        """Remember it, unless there is one already."""
        with self._lock:
            self.first = self.first or error

    def raise_first(self) -> None:
        """Raise it, as it was."""
        if self.first is not None:
            raise self.first


class ShardObject(ParquetObject):
    """A `ParquetObject` that remembers why a write failed.

    And the end of the file, for its footer.
    """

    def __init__(self, shard: int, name: str, writer: ObjectWriter, failure: Failure) -> None:
        super().__init__(name, writer)
        self.shard = shard
        self._failure = failure
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override] # RawIOBase has a wider buffer type
        """Pass bytes on, unless anything failed before."""
        try:
            self._failure.raise_first()
            chunk = bytes(data)  # copied once: of bytes it is no copy
            taken = super().write(chunk)
        except BaseException as error:
            self._failure.keep(error)
            raise
        self._remember(chunk)
        return taken

    def _remember(self, written: bytes) -> None:
        """Keep the file's last bytes, as they were written, and drop those that can no longer be in its footer."""
        self._tail.append(written)
        self._tail_bytes += len(written)
        # A footer has some hundred bytes for each column of a row group, a row group some ten thousand itself.
        enough = _LEAST_TAIL_BYTES + self.size_bytes // 32
        while self._tail_bytes - len(self._tail[0]) >= enough:
            self._tail_bytes -= len(self._tail.popleft())

    def rows_in_file(self) -> int:
        """Return how many rows the finished file says it has."""
        tail = b"".join(self._tail)
        footer = footer_bytes(tail[-TAIL_BYTES:])
        if footer > len(tail):
            raise IntegrityError(
                f"The rows of {self.object_name} can't be counted.",
                why=f"Its row groups are so small that its footer has {footer} of {self.size_bytes} bytes.",
                fix="Raise `export.row_group_bytes`, or use fewer shards.",
            )
        return read_row_count(tail[-footer:])


@dataclass(frozen=True, slots=True)
class ShardSink:
    """Where the shards go.

    `create_object` begins the object of a shard, given its number and a `Failure`.
    """

    create_object: Callable[[int, Failure], ShardObject]
    shard_column: str
    shards: int
    row_group_rows: int

    def write(self, frames: Iterable[pl.DataFrame], schema: pl.Schema) -> None:
        """Write all frames into finished, uncommitted objects.

        Whatever fails, all of them are aborted.
        """
        allow_open_files(self.shards)
        failure, objects = Failure(), list[ShardObject]()

        def provide(args: FileProviderArgs) -> ShardObject:
            try:
                made = self.create_object(int(args.partition_keys.item()), failure)
            except BaseException as error:
                failure.keep(error)
                raise
            objects.append(made)
            return made

        def scan(*_: object) -> Iterator[pl.DataFrame]:
            try:
                yield from frames
            except BaseException as error:
                failure.keep(error)
                raise

        shards = pl.PartitionBy(
            "",
            key=self.shard_column,
            include_key=False,
            file_path_provider=provide,  # type: ignore[arg-type] # polars' stubs want a whole IO[bytes]
            approximate_bytes_per_file=_MAX_FILE_BYTES,
        )
        try:
            register_io_source(scan, schema=dict(schema)).sink_parquet(
                shards,
                compression="zstd",
                compression_level=_COMPRESSION_LEVEL,
                row_group_size=self.row_group_rows,
                maintain_order=True,
                engine="streaming",
            )
        except BaseException as error:  # noqa: BLE001 - raised again below, as it was before polars wrapped it
            failure.keep(error)
        if failure.first is not None:
            abort_all(objects)
            raise failure.first


def abort_all(objects: Iterable[ShardObject]) -> None:
    """Leave nothing of any of them."""
    for made in objects:
        made.abort()


def commit_all(
    objects: list[ShardObject], counted: dict[int, int], *, check: Callable[[], None]
) -> dict[int, ShardFile]:
    """Make the objects exist, if their files hold all rows.

    Each file must say that it holds the rows that were counted; return files by shard. `counted` maps shards to rows;
    `check` is asked before each commit and raises to stop.
    """

    def commit(made: ShardObject) -> ShardFile:
        check()
        return made.commit(counted[made.shard])

    try:
        _check_counts(objects, counted)
        with ThreadPoolExecutor(_COMMITS_AT_ONCE, "commit") as pool:
            files = list(pool.map(commit, objects))
    except BaseException:
        abort_all(objects)
        raise
    return {made.shard: file for made, file in zip(objects, files, strict=True)}


def _check_counts(objects: list[ShardObject], counted: dict[int, int]) -> None:
    written = [(made.shard, made.rows_in_file()) for made in objects]
    if sorted(written) != sorted(counted.items()):
        different = min(set(written) ^ set(counted.items()))[0]
        raise IntegrityError(
            f"Shard {different} was not written as it was read.",
            why=f"{counted.get(different, 0)} rows were read, {dict(written).get(different, 0)} are in its file.",
            fix="Run again; nothing was committed.",
        )


def allow_open_files(shards: int) -> None:
    """Let this process have a file open for each shard.

    polars keeps 128 partitions open by default; with more it closes one, cuts its row group short, and begins another
    file for it later: fifteen files a shard at 1,000 shards. Each open partition may hold one of polars' 512 blocking
    threads. The operating system's limit matters where the staging store is a folder; it is raised as far as it may be.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = shards + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )
    if shards > _POLARS_OPEN_FILES:
        os.environ["POLARS_MAX_OPEN_SINKS"] = str(shards)
        os.environ["POLARS_MAX_BLOCKING_THREAD_COUNT"] = str(shards + _POLARS_THREADS)
        pl.Config.reload_env_vars()
