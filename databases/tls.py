"""How far a connection's encryption goes.

MySQL's words for it, which hosters use, and PostgreSQL's beside them.
"""

from __future__ import annotations

from enum import Enum


class TlsMode(Enum):
    """How a connection is encrypted, and whom the client trusts.

    The value is PostgreSQL's word.
    """

    DISABLED = "disable"
    PREFERRED = "prefer"
    REQUIRED = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_IDENTITY = "verify-full"


def as_tls_mode(text: str) -> TlsMode:
    """Read a mode in either server's word.

    ValueError says what it should be.
    """
    word = text.upper().replace("-", "_")
    for mode in TlsMode:
        if word in (mode.name, mode.value.upper().replace("-", "_")):
            return mode
    raise ValueError(f"one of {', '.join(mode.name for mode in TlsMode)}")


def tell_connection(mode: TlsMode, version: str, place: str) -> str:
    """Say how a server was reached.

    `version` is the protocol's, empty without encryption; no place: a socket.
    """
    where = f"over {place}" if place.startswith("/") else f"to {place}" if place else "over a Unix socket"
    if not version:
        return f"no TLS, {where}"
    checked = {
        TlsMode.VERIFY_CA: "the certificate's authority was checked, its host name was not",
        TlsMode.VERIFY_IDENTITY: "certificate and host name were checked",
    }.get(mode, "the certificate was not checked")
    return f"{version}, {checked}, {where}"
