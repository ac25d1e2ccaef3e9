"""A streamed write into a folder.

A hidden, locked file until a commit gives it its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import google_crc32c

from staging.errors import InputError, PenstockError
from staging.folder.files import Unsynced, folder_errors, open_temporary, read_chunks, walk_to, write_all
from staging.folder.generations import (
    Record,
    claim,
    generation_of,
    give_back,
    last_earlier_generation,
    records_of,
    set_generation,
)
from staging.folder.reading import describe, open_object
from staging.object_name import RESERVED_FOLDER
from staging.store import ObjectInfo
from staging.store_errors import exists, writer_over

TEMPORARY = (RESERVED_FOLDER, "temporary")
_FOLDERS_VANISH = 20  # times in a row


class FolderWriter:
    """An `ObjectWriter`.

    A process that dies leaves a hidden file, swept away when the store is next opened.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._record = Record(0, 0)
        self._process = os.getpid()
        self._fd = -1
        with folder_errors(folder, name), self._temporaries() as here:
            self._fd, self._temporary = open_temporary(here)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """See `ObjectWriter.write`."""
        self._check_open()
        chunk = bytes(data)  # no copy when it is bytes
        try:
            with folder_errors(self._folder, self._name):
                write_all(self._fd, chunk)
        except BaseException:
            self.abort()  # later bytes must not be taken for the whole
            raise
        crc32c = google_crc32c.extend(self._record.crc32c, chunk)
        self._record = Record(self._record.size_bytes + len(chunk), crc32c)
        return len(chunk)

    def commit(self) -> ObjectInfo:
        """See `ObjectWriter.commit`."""
        self._check_open()
        try:
            with folder_errors(self._folder, self._name):
                return self._find_same() or self._commit_new()
        finally:
            self.abort()

    def commit_over(self, generation: int) -> ObjectInfo:
        """Take the place of this generation.

        The caller holds the lock and has seen that it is the current one.
        """
        self._check_open()
        with folder_errors(self._folder, self._name):
            return self._give_name(os.replace, after=generation)

    def abort(self) -> None:
        """See `ObjectWriter.abort`."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        try:
            if os.getpid() == self._process:  # a forked child holds the same file, which is not its own
                self._remove_temporary()
        finally:
            os.close(fd)

    def __del__(self) -> None:
        """Dropping a writer leaves nothing."""
        with suppress(PenstockError):  # what can't be removed is hidden, and swept later
            self.abort()

    def _remove_temporary(self) -> None:
        with folder_errors(self._folder, self._name), self._temporaries() as here:
            try:
                os.unlink(self._temporary, dir_fd=here)
            except FileNotFoundError:
                return  # it was renamed over the old generation

    def _commit_new(self) -> ObjectInfo:
        try:
            return self._give_name(os.link, after=0)
        except FileExistsError:
            if (same := self._find_same()) is not None:
                return same
            raise exists(self._name) from None  # it was there for a moment only: somebody works by hand

    def _find_same(self) -> ObjectInfo | None:
        """Return what has the same name and bytes, None if nothing has the name; ObjectExistsError for other bytes."""
        with open_object(self._folder, self._name) as found:
            if found is None:
                return None
            if (found.info.size_bytes, found.info.crc32c) != (self._record.size_bytes, self._record.crc32c):
                raise exists(self._name)
            if any(ours != theirs for ours, theirs in zip(read_chunks(self._fd), read_chunks(found.fd), strict=False)):
                raise exists(self._name)
            return found.info

    def _give_name(self, rename: Callable[..., None], *, after: int) -> ObjectInfo:
        for _ in range(_FOLDERS_VANISH):
            with suppress(FileNotFoundError):  # a deletion took the empty folder away in between
                return self._try_name(rename, after=after)
        return self._try_name(rename, after=after)

    def _try_name(self, rename: Callable[..., None], *, after: int) -> ObjectInfo:
        *inner, leaf = self._name.split("/")
        after = max(after, last_earlier_generation(self._folder, self._name))
        with (
            Unsynced() as unsynced,
            walk_to(self._folder, records_of(self._name), create=True, unsynced=unsynced) as records,
            walk_to(self._folder, inner, create=True, unsynced=unsynced) as there,
            self._temporaries() as here,
        ):
            now = generation_of(os.fstat(self._fd))
            generation = claim(records, self._name, self._record, after=after, now_microseconds=now, unsynced=unsynced)
            try:
                if not set_generation(self._fd, generation):
                    raise InputError(
                        f"The file system of {self._folder} can't hold a store.",
                        why="It does not keep modification times in microseconds.",
                        fix="Use a folder on another file system.",
                    )
                unsynced.add(self._fd)
                unsynced.sync()
                rename(self._temporary, leaf, src_dir_fd=here, dst_dir_fd=there)
            except (FileExistsError, FileNotFoundError):
                give_back(records, generation)
                raise
            os.fsync(there)
            return describe(self._name, generation, self._record)

    def _temporaries(self) -> AbstractContextManager[int]:
        return walk_to(self._folder, TEMPORARY, create=True)

    def _check_open(self) -> None:
        if self._fd < 0:
            raise writer_over(self._name)
