"""Reads a bucket of others, below one prefix.

Its names are taken as they are. Needs storage.objects.list and storage.objects.get on the prefix; to fetch one file by
its generation .get alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from staging.errors import InputError, UnavailableError
from staging.gcs.download import FileSink
from staging.gcs.errors import SOURCE
from staging.gcs.objects import GcsObjects
from staging.gcs.store import open_objects
from staging.lake.port import LakeFile
from staging.lake.table_logs import TABLE_LOGS, TableLog
from staging.local_file import new_local_file
from staging.store import Digest, ObjectInfo
from staging.store_errors import corrupt, missing

_ARRIVALS = 2
_LOOK_AT_NAMES = 1000  # of a folder that may be a log: its first names show it


@contextmanager
def open_gcs_lake(url: str, setting: str) -> Iterator[GcsLake]:
    """Open `gs://bucket/prefix`; nothing is asked of the service yet."""
    bucket, slash, prefix = url.removeprefix("gs://").partition("/")
    with open_objects(bucket, "", role=replace(SOURCE, setting=setting)) as objects:
        yield GcsLake(objects, f"{prefix}{slash}")


class GcsLake:
    """A `Lake` in a bucket.

    `objects` has the whole bucket, `prefix` is empty or ends with the `/` that parts it.
    """

    def __init__(self, objects: GcsObjects, prefix: str) -> None:
        self._objects = objects
        self._prefix = prefix

    @property
    def url(self) -> str:
        """`gs://bucket/prefix`."""
        return f"{self._objects.url}/{self._prefix}".removesuffix("/")

    def url_of(self, name: str) -> str:
        """See `Lake.url_of`: nothing is escaped."""
        return f"{self._objects.url}/{self._prefix}{name}"

    def list(self, prefix: str) -> Iterator[LakeFile]:
        """See `Lake.list`. A placeholder of a folder (`folder/`) is no file."""
        for listed in self._objects.list_resources(f"{self._prefix}{prefix}"):
            info = listed.info
            if not info.name.endswith("/"):
                yield LakeFile(
                    info.name.removeprefix(self._prefix),
                    info.generation,
                    info.size_bytes,
                    info.updated_at,
                    info.crc32c,
                    listed.content_encoding,
                )

    def register(self, file: LakeFile) -> int:
        """Ask for what the listing did not say.

        See `Lake.register`: such as for objects under a customer's key.
        """
        found = file.crc32c
        if found is None:
            found = self._find(file.name, file.generation).crc32c
        if found is None:
            raise UnavailableError(f"{self.url_of(file.name)} has no CRC32C.", why="The service does not say it.")
        return found

    def download(self, name: str, path: Path, *, generation: int, digest: Digest | None = None) -> ObjectInfo:
        """See `Lake.download`.

        A second time if the bytes were changed on their way.
        """
        info = self._find(name, generation)
        with new_local_file(path) as fd:
            sink = FileSink(fd, path, digest)
            for _ in range(_ARRIVALS):
                if not self._objects.fetch(self._named(info), sink):
                    raise missing(name, generation)
                if (sink.size_bytes, sink.crc32c) == (info.size_bytes, info.crc32c):
                    return info
        raise corrupt(name, f"CRC32C {info.crc32c} is the bucket's; {sink.crc32c} arrived, twice.")

    def table_log_above(self) -> str:
        """See `Lake.table_log_above`."""
        folders = self._prefix.split("/")[:-1]
        for depth in range(len(folders), -1, -1):
            above = "".join(f"{folder}/" for folder in folders[:depth])
            for log in TABLE_LOGS:
                with suppress(InputError):  # no right to list there: then nobody expects us to look
                    if self._has(log, above):
                        return log.format
        return ""

    def _has(self, log: TableLog, above: str) -> bool:
        listed = self._objects.list(f"{above}{log.folder}/", limit=_LOOK_AT_NAMES if log.suffix else 1)
        return any(info.name.endswith(log.suffix) for info in listed)

    def _find(self, name: str, generation: int) -> ObjectInfo:
        found = self._objects.find(f"{self._prefix}{name}", generation)
        if found is None or found.generation != generation:
            raise missing(name, generation)
        return ObjectInfo(name, generation, found.size_bytes, found.crc32c, found.updated_at)

    def _named(self, info: ObjectInfo) -> ObjectInfo:
        return ObjectInfo(f"{self._prefix}{info.name}", info.generation, info.size_bytes, info.crc32c, info.updated_at)
