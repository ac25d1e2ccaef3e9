"""The storage port: what the jobs need of a bucket.

And nothing else. There is no plain overwrite. A write is *create-only* or *replaces a named generation*; both are safe
to repeat: a reply that was lost is resolved by reading back, so "already there with these very bytes" counts as done.
No job lists or deletes: people do, by commands of the chain. The adapters `staging.gcs.store` and
`staging.folder.store` pass one conformance suite.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One generation of one object.

    `crc32c` is the unsigned 32-bit Castagnoli sum of the whole object. Only a listing may lack the sum (None): then
    `find` says it.
    """

    name: str
    generation: int
    size_bytes: int
    crc32c: int | None
    updated_at: datetime
    """By the storage service's clock, UTC."""


class ObjectWriter(Protocol):
    """A streamed create-only upload.

    It exists for readers after `commit` returned, and never otherwise. Dropping or garbage-collecting an uncommitted
    writer, or the end of its process, leaves no object. After a write that failed, as after `abort` and `commit`, every
    further call but `abort` raises UnavailableError.
    """

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append bytes; returns how many were taken (all)."""
        ...

    def commit(self) -> ObjectInfo:
        """Make the object exist.

        Raises ObjectExistsError when the name is taken by other bytes.
        """
        ...

    def abort(self) -> None:
        """Leave nothing.

        Safe to call twice, and after commit (then it does nothing).
        """
        ...


class Digest(Protocol):
    """A digest of the bytes that a download writes."""

    def update(self, piece: bytes) -> None:
        """Append these bytes, which nobody changes afterwards."""
        ...

    def restart(self) -> None:
        """Forget everything: what passed by comes again."""
        ...


class Store(Protocol):
    """Objects below one prefix.

    Names are relative to it, use `/`, and can't leave it (InputError). Every method may raise UnavailableError (try
    again) or InputError (no such bucket, no right).
    """

    @property
    def url(self) -> str:
        """`gs://bucket/prefix` or `file:///folder`; holds no secret."""
        ...

    def create(self, name: str, data: bytes) -> ObjectInfo:
        """Create the object.

        Same bytes already there: returns that object. Other bytes: ObjectExistsError.
        """
        ...

    def create_stream(self, name: str) -> ObjectWriter:
        """Begin a streamed create; see `ObjectWriter`.

        Memory does not grow with the object's size.
        """
        ...

    def replace(self, name: str, data: bytes, *, generation: int) -> ObjectInfo:
        """Replace exactly this generation. GenerationChangedError when it is not the current one.

        For documents: 8 MiB at most.

        A lost reply is read back: if the current bytes are `data`, it was ours (so put a nonce in `data`).
        """
        ...

    def read(
        self, name: str, *, generation: int | None = None, max_bytes: int = 64 * 1024 * 1024
    ) -> tuple[bytes, ObjectInfo]:
        """The bytes of this generation (None: of the current one).

        ObjectMissingError when it is not there. More than `max_bytes`: IntegrityError before reading. The bytes are
        checked against the service's CRC32C.
        """
        ...

    def download(
        self, name: str, path: Path, *, generation: int | None = None, digest: Digest | None = None
    ) -> ObjectInfo:
        """Stream this generation into a new local file, checked as in `read`.

        Memory does not grow with size. `digest` gets the file's bytes, too.
        """
        ...

    def find(self, name: str) -> ObjectInfo | None:
        """The current generation, or None."""
        ...

    def now(self) -> datetime:
        """Return the service's clock, UTC, at most a second late.

        To be compared with `updated_at`, and with nothing else.
        """
        ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Current objects whose name begins with `prefix`, in name order.

        For `gc` and people, never for a job.
        """
        ...

    def delete(self, name: str, *, generation: int) -> None:
        """Delete exactly this generation; nothing happens when there is no such object.

        For `gc`, never for a job. GenerationChangedError when another generation is the current one.
        """
        ...
