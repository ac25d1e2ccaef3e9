"""The local file that a download fills.

It is new, and removed again unless the download is whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from staging.errors import InputError, UnavailableError
from staging.short_of import why_short


@contextmanager
def new_local_file(path: Path) -> Iterator[int]:
    """Yield the descriptor of a new file; any exception removes the file.

    InputError when there is one already.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as exc:
        raise InputError(
            f"{path} exists already.", why="A download goes into a new file.", fix="Remove it, or choose another."
        ) from exc
    except OSError as exc:
        raise _unavailable(path, exc) from exc
    whole = False
    try:
        yield fd
        whole = True
    finally:
        os.close(fd)
        if not whole:
            path.unlink(missing_ok=True)


def write_to_local_file(fd: int, data: bytes, path: Path) -> None:
    """Write every byte; UnavailableError when the disk is full or broken."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except OSError as exc:
        raise _unavailable(path, exc) from exc


def _unavailable(path: Path, exc: OSError) -> UnavailableError:
    return UnavailableError(
        f"{path} can't be written.", why=why_short(exc), fix="Free local space, or name another folder."
    )
