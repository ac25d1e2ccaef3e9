"""Decides who may call the emulator.

It starts programs as its user, and a job may name any `command`: so not every account may. A connection is known by the
kernel's proof: it came through a socket in a folder that only this user may enter, or its other end is this user's own
(or root's). Any other has to send the token, as OAuth 2.0 tokens are sent (RFC 6750, section 2.1), which only this user
can read; a browser may send it as a password.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from jobs_emulator.errors import ApiError, Code

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"
"""How an IPv4 address begins when an IPv6 socket has it (RFC 4291, section 2.5.5.2)."""

_LOCAL, _REMOTE, _UID = 1, 2, 7  # columns


@dataclass(frozen=True, slots=True)
class Door:
    """What lets a caller in.

    `token` is empty if none lets anybody in; `owner_enters` lets this user's processes in without it, `is_open`
    anybody.
    """

    token: str = ""
    owner_enters: bool = False
    is_open: bool = False

    def knows(self, peer: object, port: int) -> bool:
        """Whether a connection needs no token.

        It comes from `peer` (host, port) to our `port`.
        """
        if self.is_open:
            return True
        if not self.owner_enters or not isinstance(peer, tuple):
            return False
        return find_owner(str(peer[0]), int(peer[1]), port) in (os.geteuid(), 0)

    def check(self, authorization: str) -> None:
        """Raise UNAUTHENTICATED unless the header holds the token."""
        if not self.token or not hmac.compare_digest(_token_of(authorization).encode(), self.token.encode()):
            raise ApiError(
                Code.UNAUTHENTICATED,
                "The emulator starts programs, so it wants its token: send `Authorization: Bearer TOKEN`; it said at "
                "its start where the token is. Without one it serves anybody on this machine with --no-auth.",
            )


def find_owner(host: str, port: int, our_port: int) -> int | None:
    """Return the user id at the other end.

    Of the process at the other end of a loopback connection; None where nobody can say. Linux lists each end of it by
    itself; see proc_net_tcp in the kernel's documentation.
    """
    try:
        packed = socket.inet_aton(host)
    except OSError:
        return None
    ends = [
        (_spell(prefix + packed, port), _spell(prefix + socket.inet_aton("127.0.0.1"), our_port))
        for prefix in (b"", _MAPPED)
    ]
    for table, (theirs, ours) in zip(_TABLES, ends, strict=True):
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if (columns[_LOCAL], columns[_REMOTE]) == (theirs, ours):
                return int(columns[_UID])
    return None


def _spell(address: bytes, port: int) -> str:
    """Words of 32 bits in the machine's own order, as the kernel prints them."""
    order = "<" if sys.byteorder == "little" else ">"
    words = struct.unpack(f"{order}{len(address) // 4}I", address)
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"


def _token_of(authorization: str) -> str:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
