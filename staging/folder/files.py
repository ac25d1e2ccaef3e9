"""Reads and writes files below one folder, never outside it.

Paths are walked segment by segment, no symbolic link is followed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from staging.errors import InputError, UnavailableError
from staging.short_of import fix_short, why_short

_LOCK_SECONDS = 60.0
_POLL_SECONDS = 0.005
_WRONG = {
    errno.EACCES: "This user may not do that there.",
    errno.EPERM: "This user may not do that there.",
    errno.EROFS: "The file system is read-only.",
    errno.ENAMETOOLONG: "A segment of the name is longer than the file system allows.",
    errno.ELOOP: "A symbolic link lies on the way; links are not followed.",
    errno.ENOTDIR: "A file or a symbolic link lies where a folder should be.",
    errno.EISDIR: "A folder lies where the object should be.",
    errno.EMLINK: "The file system allows no more links there.",
    errno.EXDEV: "Another file system is mounted below the folder.",
    errno.ENOTSUP: "The file system has no hard links.",
}


@contextmanager
def folder_errors(folder: Path, name: str) -> Iterator[None]:
    """Turn an OSError into an InputError or UnavailableError that names the object."""
    try:
        yield
    except OSError as exc:
        number = exc.errno or 0
        if number in _WRONG:
            raise InputError(
                f"{name!r} in {folder} can't be used.",
                why=f"{_WRONG[number]} ({exc.strerror})",
                fix="Give this user the folder, with everything in it, to read and write, on a local file system.",
            ) from exc
        raise UnavailableError(
            f"{name!r} in {folder} can't be reached.",
            why=why_short(exc),
            fix=fix_short(exc, "Try again."),
        ) from exc


class Unsynced:
    """What has to be durable before a file gets its name.

    All of it is synced at the same time: a file system writes together what is asked for together, so it takes half as
    long as one after the other.
    """

    def __init__(self) -> None:
        self._fds: list[int] = []
        self._errors: list[OSError] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._fds:
            os.close(self._fds.pop())

    def add(self, fd: int) -> None:
        """Note an open file or folder; it may be closed then."""
        self._fds.append(os.dup(fd))

    def sync(self) -> None:
        """Make all of it durable; OSError unless all of it is."""
        first, *others = self._fds
        threads = [threading.Thread(target=self._sync, args=(fd,)) for fd in others]
        for thread in threads:
            thread.start()
        self._sync(first)
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _sync(self, fd: int) -> None:
        try:
            os.fsync(fd)
        except OSError as exc:
            self._errors.append(exc)


@contextmanager
def walk_to(folder: Path, segments: Sequence[str], *, create: bool, unsynced: Unsynced | None = None) -> Iterator[int]:
    """Yield a file descriptor of the inner folder.

    With `create`, it and all folders on its way are made; the parent of a new folder is synced at once, or by the
    caller.
    """
    try:
        start = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError as exc:
        raise InputError(
            f"The folder {folder} is gone.", why="It was there when it was opened.", fix="Put it back, or run again."
        ) from exc
    try:
        with walk_on(start, segments, create=create, unsynced=unsynced) as here:
            yield here
    finally:
        os.close(start)


@contextmanager
def walk_on(start: int, segments: Sequence[str], *, create: bool, unsynced: Unsynced | None = None) -> Iterator[int]:
    """Yield a file descriptor of a folder below the open one.

    As `walk_to`; `start` stays open.
    """
    here = start
    try:
        for segment in segments:
            inner = _enter(here, segment, create=create, unsynced=unsynced)
            if here != start:
                os.close(here)
            here = inner
        yield here
    finally:
        if here != start:
            os.close(here)


def _enter(here: int, segment: str, *, create: bool, unsynced: Unsynced | None) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    try:
        return os.open(segment, flags, dir_fd=here)
    except FileNotFoundError:
        if not create:
            raise
    with suppress(FileExistsError):
        os.mkdir(segment, dir_fd=here)
        if unsynced is None:
            os.fsync(here)
        else:
            unsynced.add(here)
    return os.open(segment, flags, dir_fd=here)


def remove_file(folder: Path, segments: Sequence[str]) -> None:
    """Remove a file and the folders that are then empty.

    Inner folders on its way; nothing happens where there is none.
    """
    *inner, leaf = segments
    with suppress(FileNotFoundError), walk_to(folder, inner, create=False) as here:
        os.unlink(leaf, dir_fd=here)
        os.fsync(here)
    for depth in range(len(inner), 0, -1):
        try:
            with walk_to(folder, inner[: depth - 1], create=False) as here:
                os.rmdir(inner[depth - 1], dir_fd=here)
        except FileNotFoundError:
            continue  # somebody else's deletion was faster
        except OSError as exc:
            if exc.errno in (errno.ENOTEMPTY, errno.EEXIST):
                return
            raise


def open_temporary(here: int) -> tuple[int, str]:
    """Make a new file that this process holds locked.

    So `sweep` knows it is alive. Returns (descriptor, name).
    """
    while True:
        name = f"{os.getpid()}-{secrets.token_hex(8)}"
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666, dir_fd=here)
        # A sweeper may run between the two: then the file has lost its name, and another one is taken.
        if _try_lock(fd) and os.fstat(fd).st_nlink == 1:
            return fd, name
        os.close(fd)


def sweep(here: int) -> None:
    """Remove the temporary files of processes that died."""
    for name in os.listdir(here):
        with suppress(FileNotFoundError, PermissionError):  # gone by now; another user's
            fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW, dir_fd=here)
            try:
                if _try_lock(fd):
                    os.unlink(name, dir_fd=here)
            finally:
                os.close(fd)


@contextmanager
def locked(here: int, name: str) -> Iterator[None]:
    """Hold the operating system's lock of a file.

    A process that dies frees it. UnavailableError after a minute.
    """
    fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666, dir_fd=here)
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not _try_lock(fd):
            if time.monotonic() > deadline:
                raise UnavailableError(
                    "Another process holds the folder's lock.",
                    why=f"It did not let go within {_LOCK_SECONDS:.0f} seconds; it may be stopped.",
                    fix="End that process and try again.",
                )
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(fd)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_all(fd: int, data: bytes) -> None:
    """Write every byte; the operating system may take fewer at once."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def read_all(fd: int) -> bytes:
    """Return the file's bytes from its beginning."""
    return b"".join(read_chunks(fd))


def read_chunks(fd: int, chunk_bytes: int = 1 << 20) -> Iterator[bytes]:
    """Yield the file's bytes from its beginning in chunks.

    Other readers of the descriptor don't disturb it.
    """
    offset = 0
    while chunk := os.pread(fd, chunk_bytes, offset):
        yield chunk
        offset += len(chunk)
