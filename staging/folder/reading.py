"""Opens and lists the objects of a folder store.

It distinguishes what was written from what was changed behind its back.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import google_crc32c

from staging.errors import InputError, IntegrityError
from staging.folder.files import read_chunks, walk_on, walk_to
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
    *inner, leaf = name.split("/")
    with walk_to(folder, (), create=False) as root:
        try:
            with walk_on(root, inner, create=False) as here:
                fd = _open(folder, here, name, leaf)
        except FileNotFoundError:
            yield None
            return
        try:
            yield OpenObject(fd, _describe(folder, root, name, fd))
        finally:
            os.close(fd)


def list_objects(folder: Path, prefix: str) -> Iterator[ObjectInfo]:
    """Yield the current objects whose name begins with `prefix`.

    In the order of their UTF-8 bytes, as GCS does.
    """
    above = prefix.rpartition("/")[0]
    names = sorted((name for name in _walk(folder, above) if name.startswith(prefix)), key=str.encode)
    with walk_to(folder, (), create=False) as root:
        for parent, together in groupby(names, key=lambda name: name.rpartition("/")[0]):
            inner = parent.split("/") if parent else []
            # If the folder is missing, all that was in it has been deleted meanwhile.
            with suppress(FileNotFoundError), walk_on(root, inner, create=False) as here:
                yield from _describe_all(folder, root, here, together)


def _describe_all(folder: Path, root: int, here: int, names: Iterable[str]) -> Iterator[ObjectInfo]:
    """Yield the objects of one open folder: walking there for each would be half the cost of a listing."""
    for name in names:
        try:
            fd = _open(folder, here, name, name.rpartition("/")[2])
        except FileNotFoundError:
            continue
        try:
            info = _describe(folder, root, name, fd)
        finally:
            os.close(fd)
        yield info


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


def _of_others(name: str, folder: Path) -> IntegrityError:
    """Return the error for a file without a known generation.

    Such files come from a copy of a folder that lost the files' times: those are their generations.
    """
    error = corrupt(name, f"The file in {folder} was changed or put there by something other than Penstock.")
    error.fix = (
        "Was the folder copied or restored without the times of its files? Do so with them, by cp -a, rsync -a or "
        f"tar --format=posix. Else: {error.fix[:1].lower()}{error.fix[1:]}"
    )
    return error


def _open(folder: Path, here: int, name: str, leaf: str) -> int:
    """Open the object's file in its own folder `here`; FileNotFoundError where there is none."""
    fd = os.open(leaf, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=here)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise InputError(f"{name} in {folder} is no file.", why="A folder or a device lies there.", fix="Move it away.")
    return fd


def _describe(folder: Path, root: int, name: str, fd: int) -> ObjectInfo:
    status = os.fstat(fd)
    generation = generation_of(status)
    record, is_known = find_record(root, name, generation)
    if record is None:
        if is_known:
            raise _of_others(name, folder)
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
    top = str(folder)
    for here, folders, files, fd in os.fwalk(folder / inner, follow_symlinks=False):
        if here == top and RESERVED_FOLDER in folders:
            folders.remove(RESERVED_FOLDER)
        parent = here[len(top) :].strip("/")
        for file in files:
            if stat.S_ISREG(os.stat(file, dir_fd=fd, follow_symlinks=False).st_mode):
                yield f"{parent}/{file}" if parent else file


def _is_real_folder(folder: Path, inner: str) -> bool:
    try:
        with walk_to(folder, inner.split("/") if inner else (), create=False):
            return True
    except OSError:  # nothing there, or a file, or a link: no object's name begins so
        return False
