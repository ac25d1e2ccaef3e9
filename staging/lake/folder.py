"""Reads a folder of others.

Symbolic links are followed, as every reader of a folder does; a loop is followed only once.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit

import google_crc32c

from staging.errors import InputError, UnavailableError
from staging.lake.port import LakeFile
from staging.lake.table_logs import TABLE_LOGS
from staging.local_file import new_local_file, write_to_local_file
from staging.short_of import fix_short, is_short, why_short
from staging.store import Digest, ObjectInfo
from staging.store_errors import missing

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHUNK_BYTES = 1 << 20
_PASSING = {errno.EIO, errno.ESTALE, errno.EAGAIN, errno.EINTR, errno.ETIMEDOUT}


class FolderLake:
    """A `Lake` in a folder.

    A generation is a file's modification time in microseconds.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def url(self) -> str:
        """`file:///folder`."""
        return f"file://{_quote(str(self._folder))}"

    def url_of(self, name: str) -> str:
        """See `Lake.url_of`: escaped, byte by byte."""
        return f"{self.url.rstrip('/')}/{_quote(name)}"

    def list(self, prefix: str) -> Iterator[LakeFile]:
        """See `Lake.list`."""
        inner = prefix.rpartition("/")[0]
        names = [name for name in self._walk(inner, frozenset()) if name.startswith(prefix)]
        for name in sorted(names, key=os.fsencode):
            with _source_errors(self._folder / name):
                status = (self._folder / name).stat()
            yield LakeFile(name, status.st_mtime_ns // 1000, status.st_size, _instant(status))

    def register(self, file: LakeFile) -> int:
        """See `Lake.register`: the file is read once."""
        with self._opened(file.name, file.generation) as fd:
            return _read(fd, None, Path())[1]

    def download(self, name: str, path: Path, *, generation: int, digest: Digest | None = None) -> ObjectInfo:
        """See `Lake.download`."""
        with self._opened(name, generation) as fd, new_local_file(path) as target:
            size_bytes, crc32c = _read(fd, target, path, digest)
            return ObjectInfo(name, generation, size_bytes, crc32c, _instant(os.fstat(fd)))

    def table_log_above(self) -> str:
        """See `Lake.table_log_above`."""
        for folder in (self._folder, *self._folder.parents):
            for log in TABLE_LOGS:
                try:
                    names = [path.name for path in (folder / log.folder).iterdir()]
                except OSError:  # none, or none that this user may see
                    continue
                if any(name.endswith(log.suffix) for name in names):
                    return log.format
        return ""

    def _walk(self, inner: str, above: frozenset[tuple[int, int]]) -> Iterator[str]:
        """Yield the names of all files below `inner`; `above` are the folders on the way, as links may lead back."""
        folder = self._folder / inner if inner else self._folder
        with _source_errors(folder):
            try:
                status = folder.stat()
                entries = sorted(path.name for path in folder.iterdir())
            except (FileNotFoundError, NotADirectoryError):
                return
        here = (status.st_dev, status.st_ino)
        if here in above:
            return
        for entry in entries:
            name = f"{inner}/{entry}" if inner else entry
            with _source_errors(self._folder / name):
                try:
                    mode = (self._folder / name).stat().st_mode
                except FileNotFoundError:  # deleted meanwhile; a broken link is reported when it is meant
                    mode = stat.S_IFREG if (self._folder / name).is_symlink() else 0
            if stat.S_ISDIR(mode):
                yield from self._walk(name, above | {here})
            elif stat.S_ISREG(mode):
                yield name

    @contextmanager
    def _opened(self, name: str, generation: int) -> Iterator[int]:
        path = self._folder / name
        with _source_errors(path):
            try:
                fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            except FileNotFoundError:
                raise missing(name, generation) from None
        try:
            found = os.fstat(fd).st_mtime_ns // 1000
            if found != generation:
                raise missing(name, generation, found)
            with _source_errors(path):
                yield fd
        finally:
            os.close(fd)


def folder_of(url: str) -> Path:
    """Return the folder of a `file:///…` URL.

    Its escapes may be any bytes. InputError when it names none.
    """
    parts = urlsplit(url)
    path = os.fsdecode(unquote_to_bytes(parts.path))
    if parts.netloc or not path.startswith("/") or parts.query or parts.fragment:
        raise InputError(
            f"{url!r} names no folder.",
            why="A folder's URL is `file://` and an absolute path.",
            fix="Write it like file:///home/me/lake/*.parquet; `%`, `?` and `#` in names as %25, %3F, %23.",
        )
    return Path(path)


def _read(fd: int, target: int | None, path: Path, digest: Digest | None = None) -> tuple[int, int]:
    size_bytes = crc32c = 0
    while chunk := os.pread(fd, _CHUNK_BYTES, size_bytes):
        if digest is not None:
            digest.update(chunk)
        crc32c = google_crc32c.extend(crc32c, chunk)
        size_bytes += len(chunk)
        if target is not None:
            write_to_local_file(target, chunk, path)
    return size_bytes, crc32c


def _quote(path: str) -> str:
    return quote(os.fsencode(path))


def _instant(status: os.stat_result) -> datetime:
    return _EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000)


@contextmanager
def _source_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        what = f"The source's {path} can't be read."
        if is_short(exc) or exc.errno in _PASSING:
            raise UnavailableError(what, why=why_short(exc), fix=fix_short(exc, "Try again.")) from exc
        if exc.errno == errno.ENOENT:
            raise InputError(
                what, why="It is a symbolic link that leads nowhere.", fix="Put the file back, or remove the link."
            ) from exc
        raise InputError(what, why=f"{exc.strerror}.", fix="Let this user read it.") from exc
