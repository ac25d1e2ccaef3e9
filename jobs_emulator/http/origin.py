"""Decides which programs and pages may call the emulator.

Programs on this machine may, and pages that it served itself. It starts programs, so a web page must never reach it:
neither by a request of its own (`Origin`), nor by a name that the page's owner points at 127.0.0.1 (`Host`, DNS
rebinding).
"""

from __future__ import annotations

from urllib.parse import urlsplit

LOOPBACK_HOSTS = {"127.0.0.1", "localhost", "::1"}


def foreign_origin(origin: str, host: str) -> bool:
    """Whether an Origin header names a page of others.

    Any page but one this emulator served at `host` (`null` is foreign).
    """
    return origin != f"http://{host}"


def foreign_host(host: str) -> bool:
    """Whether a Host header names anything but a loopback host."""
    try:
        return urlsplit(f"//{host}").hostname not in LOOPBACK_HOSTS
    except ValueError:
        return True
