"""Writes a database URL from its parts.

So nobody has to escape a password. The URL is read like any other (`databases.url`); nothing further down knows that
there were parts.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

Dialect = Literal["postgresql", "mysql", "mariadb"]
Tls = Literal["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"]

_DRIVERS: Mapping[Dialect, str] = {"postgresql": "psycopg", "mysql": "pymysql", "mariadb": "pymysql"}
_OF_POSTGRES = {
    "tls": "ssl_mode",
    "tls_ca": "sslrootcert",
    "tls_cert": "sslcert",
    "tls_key": "sslkey",
    "login": "login",
}
_OF_MYSQL = {"tls": "ssl_mode", "tls_ca": "ssl_ca", "tls_cert": "ssl_cert", "tls_key": "ssl_key", "login": "login"}
_HOST = re.compile(r"[\w-]+(\.[\w-]+)*\.?")


@dataclass(frozen=True, slots=True)
class UrlParts:
    """A URL's parts but the password.

    `host` is a name, an address, several with commas, or a Unix socket's path.
    """

    dialect: Dialect
    host: str
    port: int | None = None
    user: str | None = None
    database: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    """`tls`, `tls_ca`, `tls_cert`, `tls_key` and `login`, as far as they are given."""

    def spell(self, password: str | None) -> str:
        """Return the URL, every part of it escaped."""
        account = _escape(self.user or "") + ("" if password is None else f":{_escape(password)}")
        place, options = self._place()
        words = _OF_POSTGRES if self.dialect == "postgresql" else _OF_MYSQL
        options |= {words[name]: value for name, value in self.options.items()}
        query = "&".join(f"{name}={_escape(value)}" for name, value in options.items())
        return (
            f"{self.dialect}+{_DRIVERS[self.dialect]}://{account}{'@' if account else ''}{place}/"
            f"{_escape(self.database or '')}{'?' if query else ''}{query}"
        )

    def _place(self) -> tuple[str, dict[str, str]]:
        if not self.host.startswith("/"):
            port = "" if self.port is None else f":{self.port}"
            return ",".join(_spell_host(host) + port for host in self.host.split(",")), {}
        if self.dialect != "postgresql":
            return "", {"unix_socket": self.host}
        return "", {"host": self.host} | ({} if self.port is None else {"port": str(self.port)})


def check_host(text: str) -> str:
    """Return a host, several with commas, or a Unix socket's path.

    ValueError, without the text, for anything else.
    """
    if text.startswith("/"):
        return text
    if text.startswith(("env:", "file:")):
        raise ValueError("should be the host itself; of the parts only password may be env:NAME or file:/path")
    hosts = text.split(",")
    if not all(_HOST.fullmatch(host) or _is_ipv6(host) for host in hosts):
        raise ValueError("should be a host's name or address alone, or the path of a Unix socket; port has its own key")
    return text


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return "%" not in host


def _spell_host(host: str) -> str:
    return f"[{host.strip('[]')}]" if ":" in host else host


def _escape(text: str) -> str:
    return quote(text, safe="")
