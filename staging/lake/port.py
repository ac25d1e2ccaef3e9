"""The port to files of others.

List them, ask for one's sum, bring one here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from staging.store import Digest, ObjectInfo


@dataclass(frozen=True, slots=True)
class LakeFile:
    """One generation of a file as it is listed.

    `name` is relative to the lake, and may be any text or path. `crc32c` is None where a listing does not say it.
    `content_encoding` is a bucket's property, else empty.
    """

    name: str
    generation: int
    size_bytes: int
    updated_at: datetime
    crc32c: int | None = None
    content_encoding: str = ""


class Lake(Protocol):
    """Files below one place.

    Every method may raise UnavailableError (try again) or InputError (no right, no bucket). A folder that is not there
    has no files. Nothing is made, locked or removed.
    """

    @property
    def url(self) -> str:
        """`gs://bucket/prefix` or `file:///folder`."""
        ...

    def url_of(self, name: str) -> str:
        """Return the URL by which `staging.lake.open.download_file` finds the file again."""
        ...

    def list(self, prefix: str) -> Iterator[LakeFile]:
        """Yield all files whose name begins with `prefix`.

        In the order of their names' bytes.
        """
        ...

    def register(self, file: LakeFile) -> int:
        """Return the file's CRC32C.

        ObjectMissingError when this generation is not there any more.
        """
        ...

    def download(self, name: str, path: Path, *, generation: int, digest: Digest | None = None) -> ObjectInfo:
        """Bring this generation into a new local file, counted and summed.

        ObjectMissingError when it is gone. `digest` gets the file's bytes, too.
        """
        ...

    def table_log_above(self) -> str:
        """Return the table format that keeps its log here.

        In the lake's own folder or in one above it; empty where none.
        """
        ...
