"""How far a connection's encryption goes: MySQL's words for it, which hosters use, and PostgreSQL's beside them."""

from __future__ import annotations

from enum import Enum


class TlsMode(Enum):
    """How a connection is encrypted, and whom the client believes; the value is PostgreSQL's word."""

    DISABLED = "disable"
    PREFERRED = "prefer"
    REQUIRED = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_IDENTITY = "verify-full"


def as_tls_mode(text: str) -> TlsMode:
    """Read a mode in either server's word; ValueError says what it should be."""
    word = text.upper().replace("-", "_")
    for mode in TlsMode:
        if word in (mode.name, mode.value.upper().replace("-", "_")):
            return mode
    raise ValueError(f"one of {', '.join(mode.name for mode in TlsMode)}")
