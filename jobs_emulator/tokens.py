"""Where the token of an emulator is.

In a file that only its user may read, named by the port, or as a variable says. An emulator inside this process needs
no file: its token is kept here by its address.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

FILE_VARIABLE = "RUN_EMULATOR_TOKEN_FILE"
_ours: dict[str, str] = {}


class TokenError(Exception):
    """The token can't be kept or read safely; the message says why."""


def new_token() -> str:
    """A secret of 256 bits."""
    return secrets.token_urlsafe(32)


def remember_token(address: str, token: str) -> None:
    """Keeps the token of this process's emulator.

    For its own clients.
    """
    _ours[address] = token


def forget_token(address: str) -> None:
    """Forgets it again."""
    _ours.pop(address, None)


def token_file(port: int) -> Path:
    """Where the token of the emulator on that port is.

    The folder is this user's, unless another one was named.
    """
    return Path("/tmp") / f"penstock-jobs-emulator-{os.getuid()}" / f"{port}.token"  # noqa: S108 — its owner is checked


def write_token(path: Path, token: str) -> None:
    """Writes a new file of mode 0600.

    TokenError where its folder is another user's, or open to others.
    """
    try:
        if path.parent == token_file(0).parent:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            _check_private(path.parent)
        path.unlink(missing_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as exc:
        raise TokenError(f"The token can't be written to {path}: {exc.strerror}. Name another --token-file.") from exc
    with os.fdopen(fd, "w", encoding="ascii") as file:
        file.write(f"{token}\n")


def remove_token(path: Path) -> None:
    """Removes the file, if it is there."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def find_token(address: str, environ: Mapping[str, str]) -> str:
    """The token for the emulator at `host:port`; "" for none.

    This process's own, the named file's, or the port's. TokenError where the file is there and can't be read, or may be
    read by others.
    """
    if address in _ours:
        return _ours[address]
    named = environ.get(FILE_VARIABLE, "")
    port = address.rpartition(":")[2]
    path = Path(named) if named else token_file(int(port) if port.isascii() and port.isdecimal() else 0)
    try:
        _check_private(path)
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        if named:
            raise TokenError(f"There is no file {path}, which {FILE_VARIABLE} names.") from None
        return ""
    except (OSError, UnicodeDecodeError) as exc:
        raise TokenError(f"The token file {path} can't be read: {exc}.") from exc


def _check_private(path: Path) -> None:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise TokenError(f"{path} is not this user's alone: remove it, or give it mode 0700 (a file 0600).")
