"""The Google Cloud Storage adapter.

Needs on the bucket: storage.objects.create, storage.objects.get, storage.objects.list (without it a missing object
answers 403), and on `{prefix}/heads/` storage.objects.delete, which GCS asks of an account that replaces an object.
roles/storage.objectUser has all four. The bucket needs uniform access and no retention policy on the heads. `delete`,
which no job calls, needs storage.objects.delete on the whole prefix, and the objects not to be under retention.

`STORAGE_EMULATOR_HOST` (`http://host:port`) is the client library's own: it is then used without credentials.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from google.cloud.storage import Client

from staging.errors import InputError, UnavailableError
from staging.gcs.download import FileSink, MemorySink, Sink
from staging.gcs.errors import STAGING, Role, sdk_errors
from staging.gcs.objects import AT_ONCE_BYTES, GcsObjects
from staging.gcs.retry import PATIENCE_SECONDS
from staging.gcs.upload import BUFFERS_BYTES, ChunkBudget, GcsWriter
from staging.local_file import new_local_file
from staging.object_name import check_list_prefix, check_object_name, is_object_name
from staging.store import Digest, ObjectInfo, ObjectWriter
from staging.store_errors import check_replacement, corrupt, exists, generation_changed, missing, too_large

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_EMULATOR = "STORAGE_EMULATOR_HOST"
_READ_ATTEMPTS = 50  # an object that is replaced more often than it can be read is no contention any more
_ARRIVALS = 2


@contextmanager
def open_gcs_store(
    url: str, *, patience_seconds: float = PATIENCE_SECONDS, buffers_bytes: int = BUFFERS_BYTES
) -> Iterator[GcsStore]:
    """Open `gs://bucket/prefix`.

    InputError when there is no such bucket, or no right to list it. No call goes on for longer than `patience_seconds`
    without progress, and a last request's timeout. `buffers_bytes` is what all open writers together may hold, but for
    256 KiB each.
    """
    bucket, prefix = _parse(url)
    with open_objects(bucket, prefix, patience_seconds=patience_seconds) as objects:
        for _ in objects.list("", limit=1):
            break
        yield GcsStore(objects, ChunkBudget(buffers_bytes))


@contextmanager
def open_objects(
    bucket: str, prefix: str, *, patience_seconds: float = PATIENCE_SECONDS, role: Role = STAGING
) -> Iterator[GcsObjects]:
    """Sign in and give the objects of a bucket, below a prefix.

    Nothing is asked of the service yet.
    """
    # Else the library looks up the bucket's location in a thread of its own; it reads this at each call.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    # The library puts paths behind it as it is, so that `http://host:4443/` would ask for `//storage`.
    if address := os.environ.get(_EMULATOR, ""):
        os.environ[_EMULATOR] = address.strip().rstrip("/").rstrip()
    with sdk_errors(f"gs://{bucket}/{prefix}", "sign in", role):
        client = Client(project=None)
    objects = GcsObjects(client, bucket, prefix, patience_seconds, role)
    try:
        yield objects
    finally:
        objects.close()


def _parse(url: str) -> tuple[str, str]:
    bucket, _, prefix = url.removeprefix("gs://").partition("/")
    prefix = prefix.removesuffix("/")
    if not url.startswith("gs://") or not _BUCKET.fullmatch(bucket) or (prefix and not is_object_name(prefix)):
        raise InputError(
            f"{url!r} names no bucket and prefix.",
            why="A bucket's name has lower-case letters, digits, `-`, `_`, `.`; a prefix is parted by single `/`.",
            fix="Write it like gs://my-bucket/penstock.",
        )
    return bucket, prefix


class GcsStore:
    """A `Store` in a bucket.

    Safe to use from many threads; a child process opens its own.
    """

    def __init__(self, objects: GcsObjects, budget: ChunkBudget) -> None:
        self._objects = objects
        self._budget = budget

    @property
    def url(self) -> str:
        """`gs://bucket/prefix`."""
        return self._objects.url

    def create(self, name: str, data: bytes) -> ObjectInfo:
        """See `Store.create`."""
        self._check(name)
        if len(data) > AT_ONCE_BYTES:
            writer = self.create_stream(name)
            try:
                writer.write(data)
                return writer.commit()
            finally:
                writer.abort()
        if (info := self._objects.upload(name, data, replacing=0)) is not None:
            return info
        current = self._objects.find(name)
        if current is None or not self._holds(current, data):
            raise exists(name)
        return current

    def create_stream(self, name: str) -> ObjectWriter:
        """See `Store.create_stream`."""
        return GcsWriter(self._objects, self._check(name), self._budget)

    def replace(self, name: str, data: bytes, *, generation: int) -> ObjectInfo:
        """See `Store.replace`."""
        check_replacement(data, generation)
        if (info := self._objects.upload(self._check(name), data, replacing=generation)) is not None:
            return info
        current = self._objects.find(name)
        if current is None or not self._holds(current, data):
            raise generation_changed(name, generation, current.generation if current else None)
        return current

    def read(
        self, name: str, *, generation: int | None = None, max_bytes: int = 64 * 1024 * 1024
    ) -> tuple[bytes, ObjectInfo]:
        """See `Store.read`."""
        sink = MemorySink()
        info = self._read(self._check(name), generation, sink, max_bytes)
        return sink.data(), info

    def download(
        self, name: str, path: Path, *, generation: int | None = None, digest: Digest | None = None
    ) -> ObjectInfo:
        """See `Store.download`."""
        self._check(name)
        with new_local_file(path) as fd:
            return self._read(name, generation, FileSink(fd, path, digest), max_bytes=None)

    def find(self, name: str) -> ObjectInfo | None:
        """See `Store.find`."""
        return self._objects.find(self._check(name))

    def now(self) -> datetime:
        """See `Store.now`: the `Date` of an answer."""
        return self._objects.now()

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Store.list`."""
        return (info for info in self._objects.list(check_list_prefix(prefix)) if is_object_name(info.name))

    def delete(self, name: str, *, generation: int) -> None:
        """See `Store.delete`."""
        if not self._objects.delete(self._check(name), generation) and (current := self._objects.find(name)):
            raise generation_changed(name, generation, current.generation, to="deleted")

    def _check(self, name: str) -> str:
        return check_object_name(name, prefix=self._objects.prefix)

    def _read(self, name: str, generation: int | None, sink: Sink, max_bytes: int | None) -> ObjectInfo:
        for _ in range(_READ_ATTEMPTS):
            info = self._find_to_read(name, generation)
            if max_bytes is not None and info.size_bytes > max_bytes:
                raise too_large(name, info.size_bytes, max_bytes)
            if self._fetch_whole(info, sink):
                return info
            # Replaced between the two requests: its successor is read, or the named generation is missed.
        raise UnavailableError(f"{name} changes faster than it can be read.", fix="Try again.")

    def _find_to_read(self, name: str, generation: int | None) -> ObjectInfo:
        info = self._objects.find(name, generation)
        if info is not None and generation in (None, info.generation):
            return info
        current = self._objects.find(name) if generation is not None else None
        raise missing(name, generation, current.generation if current else None)

    def _fetch_whole(self, info: ObjectInfo, sink: Sink) -> bool:
        """Read and check; a second time if the bytes were changed on their way. False when they are gone."""
        for _ in range(_ARRIVALS):
            if not self._objects.fetch(info, sink):
                return False
            if (sink.size_bytes, sink.crc32c) == (info.size_bytes, info.crc32c):
                return True
        raise corrupt(
            info.name,
            f"The bucket says {info.size_bytes} bytes with CRC32C {info.crc32c}; "
            f"{sink.size_bytes} with {sink.crc32c} arrived, twice.",
        )

    def _holds(self, info: ObjectInfo, data: bytes) -> bool:
        """Whether this generation is `data`: then this write was done before, by us or by another attempt."""
        sink = MemorySink()
        return info.size_bytes == len(data) and self._fetch_whole(info, sink) and sink.data() == data
