"""The folder adapter: a bucket that is a local folder.

For a laptop, for tests and for machines without a cloud. Objects are plain files under their names. A file gets its
name when it is whole: written and synced under `.penstock/temporary/`, then linked (create-only, as `link` never
overwrites) or renamed over the old one under the operating system's lock. A process killed at any instant leaves the
old state or the new one.

Needs: a local file system with hard links, `flock` and modification times in microseconds; read and write for this
user. Names that differ only in case are one name where the file system says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

import google_crc32c

from staging.errors import InputError, UnavailableError
from staging.folder.files import (
    folder_errors,
    locked,
    open_temporary,
    read_all,
    read_chunks,
    remove_file,
    sweep,
    walk_to,
)
from staging.folder.generations import generation_of
from staging.folder.reading import check_bytes, instant_of, list_objects, open_object
from staging.folder.writer import TEMPORARY, FolderWriter
from staging.local_file import new_local_file, write_to_local_file
from staging.object_name import RESERVED_FOLDER, check_list_prefix, check_object_name
from staging.short_of import fix_short, is_short, why_short
from staging.store import Digest, ObjectInfo, ObjectWriter
from staging.store_errors import check_replacement, generation_changed, missing, too_large


def open_folder_store(url: str, *, make: bool = True) -> FolderStore:
    """Open the folder of a `file:///…` URL.

    With `make` it is made when only its last segment is missing. Else InputError, or UnavailableError when the machine
    is short of something.
    """
    folder = _folder_of(url)
    try:
        if make:
            folder.mkdir(exist_ok=True)
        folder = folder.resolve(strict=True)
        os.scandir(folder).close()
    except OSError as exc:
        if is_short(exc):
            raise UnavailableError(
                f"The staging folder {folder} can't be made.", why=why_short(exc), fix=fix_short(exc, "")
            ) from exc
        raise InputError(
            f"The staging folder {folder} can't be opened.",
            why=f"{exc.strerror}.",
            fix=f"Make it, or its parent {folder.parent}, and let this user read and write there.",
        ) from exc
    with suppress(OSError), walk_to(folder, TEMPORARY, create=False) as here:  # none yet, or ours to read only
        sweep(here)
    return FolderStore(folder)


def _folder_of(url: str) -> Path:
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.netloc or not path.startswith("/") or parts.query or parts.fragment or not (url + path).isprintable():
        raise InputError(
            f"{url!r} names no folder.",
            why="A folder's URL is `file://` and an absolute path.",
            fix="Write it like file:///home/me/staging; `%`, `?` and `#` in the path as %25, %3F, %23.",
        )
    return Path(path)


class FolderStore:
    """A `Store` in a folder.

    Safe to use from many threads and processes at once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def url(self) -> str:
        """`file:///folder`."""
        return self._folder.as_uri()

    def create(self, name: str, data: bytes) -> ObjectInfo:
        """See `Store.create`."""
        writer = self.create_stream(name)
        try:
            writer.write(data)
            return writer.commit()
        finally:
            writer.abort()

    def create_stream(self, name: str) -> ObjectWriter:
        """See `Store.create_stream`."""
        return FolderWriter(self._folder, check_object_name(name))

    def replace(self, name: str, data: bytes, *, generation: int) -> ObjectInfo:
        """See `Store.replace`."""
        check_replacement(data, generation)
        writer = FolderWriter(self._folder, check_object_name(name))
        try:
            writer.write(data)
            with folder_errors(self._folder, name), self._locked():
                with open_object(self._folder, name) as found:
                    if found is None or found.info.generation != generation:
                        if found is not None and read_all(found.fd) == data:
                            return found.info
                        raise generation_changed(name, generation, found.info.generation if found else None)
                return writer.commit_over(generation)
        finally:
            writer.abort()

    def read(
        self, name: str, *, generation: int | None = None, max_bytes: int = 64 * 1024 * 1024
    ) -> tuple[bytes, ObjectInfo]:
        """See `Store.read`."""
        with self._reading(name, generation) as (fd, info):
            if info.size_bytes > max_bytes:
                raise too_large(name, info.size_bytes, max_bytes)
            data = read_all(fd)
            check_bytes(info, len(data), google_crc32c.value(data))
            return data, info

    def download(
        self, name: str, path: Path, *, generation: int | None = None, digest: Digest | None = None
    ) -> ObjectInfo:
        """See `Store.download`."""
        with self._reading(name, generation) as (fd, info), new_local_file(path) as target:
            crc32c = size_bytes = 0
            for chunk in read_chunks(fd):
                if digest is not None:
                    digest.update(chunk)
                crc32c = google_crc32c.extend(crc32c, chunk)
                size_bytes += len(chunk)
                write_to_local_file(target, chunk, path)
            check_bytes(info, size_bytes, crc32c)
            return info

    def find(self, name: str) -> ObjectInfo | None:
        """See `Store.find`."""
        with folder_errors(self._folder, name), open_object(self._folder, check_object_name(name)) as found:
            return found.info if found else None

    def now(self) -> datetime:
        """Return when the file system made a new file.

        See `Store.now`. Generations come from there, too.
        """
        with folder_errors(self._folder, "a new file"), walk_to(self._folder, TEMPORARY, create=True) as here:
            fd, probe = open_temporary(here)
            try:
                return instant_of(generation_of(os.fstat(fd)))
            finally:
                os.unlink(probe, dir_fd=here)
                os.close(fd)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """See `Store.list`."""
        with folder_errors(self._folder, prefix):
            yield from list_objects(self._folder, check_list_prefix(prefix))

    def delete(self, name: str, *, generation: int) -> None:
        """See `Store.delete`.

        Folders that are empty then go, too; the records of generations stay.
        """
        with folder_errors(self._folder, name), self._locked():
            with open_object(self._folder, check_object_name(name)) as found:
                if found is not None and found.info.generation != generation:
                    raise generation_changed(name, generation, found.info.generation, to="deleted")
            if found is not None:
                remove_file(self._folder, name.split("/"))

    @contextmanager
    def _reading(self, name: str, generation: int | None) -> Iterator[tuple[int, ObjectInfo]]:
        with folder_errors(self._folder, name), open_object(self._folder, check_object_name(name)) as found:
            if found is None:
                raise missing(name, generation)
            if generation not in (None, found.info.generation):
                raise missing(name, generation, found.info.generation)
            yield found.fd, found.info

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with walk_to(self._folder, (RESERVED_FOLDER,), create=True) as here, locked(here, "lock"):
            yield
