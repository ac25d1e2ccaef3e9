"""Opens and lists the objects of a folder store.

It distinguishes what was written from what was changed behind its back.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import google_crc32c

from staging.errors import InputError
from staging.folder.files import read_chunks, walk_to
from staging.folder.generations import Record, find_record, generation_of
from staging.object_name import RESERVED_FOLDER
from staging.store import ObjectInfo
from staging.store_errors import corrupt

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class OpenObject:
    """One generation, open for reading.

    It stays the same whatever is written under its name meanwhile.
    """

    fd: int
    info: ObjectInfo


@contextmanager
def open_object(folder: Path, name: str) -> Iterator[OpenObject | None]:
    """Yield the current generation, or None.

    Its bytes are not checked yet; IntegrityError when it was edited or cut.
    """
    fd = _open(folder, name)
    if fd is None:
        yield None
        return
    try:
        yield OpenObject(fd, _describe(folder, name, fd))
    finally:
        os.close(fd)


def list_objects(folder: Path, prefix: str) -> Iterator[ObjectInfo]:
    """Yield the current objects whose name begins with `prefix`.

    In the order of their UTF-8 bytes, as GCS does.
    """
    inner = prefix.rpartition("/")[0]
    names = [name for name in _walk(folder, inner) if name.startswith(prefix)]
    for name in sorted(names, key=str.encode):
        with open_object(folder, name) as found:
            if found is not None:
                yield found.info


def check_bytes(info: ObjectInfo, size_bytes: int, crc32c: int) -> None:
    """Raise IntegrityError unless these bytes are those that were written."""
    if (size_bytes, crc32c) != (info.size_bytes, info.crc32c):
        raise corrupt(
            info.name,
            f"{info.size_bytes} bytes with CRC32C {info.crc32c} were written; "
            f"there are {size_bytes} with {crc32c} in generation {info.generation}.",
        )


def describe(name: str, generation: int, record: Record) -> ObjectInfo:
    """Return the port's view of a generation."""
    return ObjectInfo(name, generation, record.size_bytes, record.crc32c, instant_of(generation))


def instant_of(generation: int) -> datetime:
    """Return when that was: a generation counts microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=generation)


def _open(folder: Path, name: str) -> int | None:
    *inner, leaf = name.split("/")
    try:
        with walk_to(folder, inner, create=False) as here:
            fd = os.open(leaf, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise InputError(f"{name} in {folder} is no file.", why="A folder or a device lies there.", fix="Move it away.")
    return fd


def _describe(folder: Path, name: str, fd: int) -> ObjectInfo:
    status = os.fstat(fd)
    generation = generation_of(status)
    record, is_known = find_record(folder, name, generation)
    if record is None:
        if is_known:
            raise corrupt(name, f"The file in {folder} was changed or put there by something other than Penstock.")
        record = _read_through(fd)
    info = describe(name, generation, record)
    if status.st_size != info.size_bytes:
        raise corrupt(name, f"{info.size_bytes} bytes were written; the file has {status.st_size}.")
    return info


def _read_through(fd: int) -> Record:
    crc32c = size_bytes = 0
    for chunk in read_chunks(fd):
        crc32c = google_crc32c.extend(crc32c, chunk)
        size_bytes += len(chunk)
    return Record(size_bytes, crc32c)


def _walk(folder: Path, inner: str) -> Iterator[str]:
    if not _is_real_folder(folder, inner):
        return
    for here, folders, files, _ in os.fwalk(folder / inner, follow_symlinks=False):
        path = Path(here)
        if path == folder and RESERVED_FOLDER in folders:
            folders.remove(RESERVED_FOLDER)
        for file in files:
            if stat.S_ISREG((path / file).lstat().st_mode):
                yield (path / file).relative_to(folder).as_posix()


def _is_real_folder(folder: Path, inner: str) -> bool:
    try:
        with walk_to(folder, inner.split("/") if inner else (), create=False):
            return True
    except OSError:  # nothing there, or a file, or a link: no object's name begins so
        return False
