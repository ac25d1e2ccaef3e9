"""Reads a database URL for every job.

It names what is wrong with it without showing any part of it. SQLAlchemy parses it, but does not read its options:
those are a closed list for each server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from staging.errors import InputError

Read = Callable[[str], object]
"""Reads an option's text; ValueError, whose text says what it should be and never what it is."""

ESCAPES = "Write the signs @ : / % in user, password and database as %40 %3A %2F %25."
_FORM = "Write dialect+driver://user:password@host:port/database. " + ESCAPES
_ALIASES = {"postgres": "postgresql"}
"""What hosters and libpq call a database that SQLAlchemy knows by another name."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,40}")
_HIGHEST_PORT = 65_535
_YEAR_SECONDS = 365 * 86_400
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def parse_url(text: str, key: str = "source.url") -> URL:
    """Parse a SQLAlchemy URL.

    InputError, which does not repeat it, if it is none or can be read in two ways. `key` is where the user wrote it.
    """
    scheme, separator, rest = text.strip().partition("://")
    dialect, plus, driver = scheme.partition("+")
    dialect = _ALIASES.get(dialect, dialect)
    _check_signs(rest, key)
    _check_none_is_empty(rest, key)
    text = f"{dialect}{plus}{driver}{separator}{_move_hosts(rest) if dialect == 'postgresql' else rest}"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError, SQLAlchemyError):
        # `from None`: the message may quote the URL, and so the password.
        why = "It can't be parsed; it is not repeated here for it may hold a password."
        raise InputError(f"{key} is not a database URL.", why=why, fix=_FORM) from None
    if url.port is not None and not 0 < url.port <= _HIGHEST_PORT:
        raise InputError(f"{key} names a port that can't be.", why=f"Ports are numbers from 1 to {_HIGHEST_PORT}.")
    _check_hosts(url, key)
    if "@" in rest.partition("?")[0] and url.username is None and not url.password:
        raise _two_ways(key)
    if "login" in url.query and url.get_backend_name() not in ("postgresql", "mysql", "mariadb"):
        raise InputError(
            f"{key} asks for a login by token.", why="PostgreSQL, MySQL and MariaDB take one on Cloud SQL."
        )
    return url


def _check_signs(rest: str, key: str) -> None:
    """Refuse what can't be told apart, a second @ before the options, a % that begins no escape; and a NUL."""
    before_host, at, behind = rest.partition("@")
    if "@" in behind.partition("?")[0] or any("@" in part.partition("=")[0] for part in _options_of(behind)):
        raise _two_ways(key)
    if "%00" in rest or "\0" in rest:
        why = "What follows a NUL would be left out on the way to the server."
        raise InputError(
            f"{key} holds a NUL.", why=why, fix="Take it out; no server takes one in a name or a password."
        )
    if at and _STRAY_PERCENT.search(before_host):
        why = "A % in user or password is not followed by two hexadecimal digits."
        raise InputError(f"{key} holds a sign that is not escaped.", why=why, fix="Write % as %25. " + ESCAPES)


def _check_hosts(url: URL, key: str) -> None:
    """Refuse an impossible host name: Python's look-up of addresses fails at it in its own way."""
    options = url.query.get("host", ())
    for host in [url.host or "", *([options] if isinstance(options, str) else options)]:
        if host.startswith(("/", "@")):  # a Unix socket
            continue
        try:
            for name in host.split(","):
                name.encode("idna")
        except UnicodeError:
            why = "The parts of a host's name have 1 to 63 characters, with a dot between two of them."
            raise InputError(f"{key} names a host that can't be.", why=why) from None


def _check_none_is_empty(rest: str, key: str) -> None:
    """Refuse an option without a value: SQLAlchemy drops it, and with an empty `ssl_ca` no certificate is checked."""
    behind_account = rest.partition("@")[2] if "@" in rest else rest
    for option in filter(None, _options_of(behind_account)):
        name, _, value = option.partition("=")
        if not value:
            shown = f"option `{name}`" if _NAME.fullmatch(name) else "option whose name is not repeated here"
            raise InputError(f"The {shown} of {key} has no value.", fix="Write a value, or leave the option out.")


def _move_hosts(rest: str) -> str:
    """Return the URL with several hosts, as libpq writes them before the database's name, among its options."""
    account, at, place = rest.rpartition("@")
    hosts, slash, behind = place.partition("/")
    if "," not in hosts:
        return rest
    name, _, options = behind.partition("?")
    moved = "&".join(f"host={quote(host, safe=':[]')}" for host in hosts.split(","))
    return f"{account}{at}{slash}{name}?{moved}{'&' if options else ''}{options}"


def _options_of(text: str) -> list[str]:
    return text.partition("?")[2].split("&")


def _two_ways(key: str) -> InputError:
    return InputError(
        f"{key} holds more than one `@`.",
        why="Where the password ends can't be told: an @ or a / in it is not escaped.",
        fix=ESCAPES,
    )


def scrub(text: str, url: URL) -> str:
    """Return a driver's message as one line, without the password.

    The URL's password is removed in any spelling.
    """
    line = " ".join(text.split())
    if password := url.password:
        for spelling in sorted({str(password), quote(password, safe=""), quote_plus(password)}, key=len, reverse=True):
            line = line.replace(spelling, "…")
    return line


def read_options(url: URL, key: str, known: Mapping[str, Read], *, several: tuple[str, ...] = ()) -> dict[str, object]:
    """Return the URL's options as `known` reads them, by name.

    Those in `several` are lists. InputError names an option that is unknown, is there twice or can't be read; it shows
    no value.
    """
    found: dict[str, object] = {}
    for written, value in url.query.items():
        name = written.lower().replace("-", "_")
        shown = f"option `{written}`" if _NAME.fullmatch(written) else "option whose name is not repeated here"
        if name not in known:
            raise InputError(f"{key} has the {shown}, which Penstock does not know.", fix=_KNOWN)
        texts = [value] if isinstance(value, str) else list(value)
        if name in found or (len(texts) > 1 and name not in several):
            raise InputError(f"{key} has the {shown} more than once.", fix="Write it once.")
        try:
            read = [known[name](text) for text in texts]
        except ValueError as exc:
            raise InputError(f"The {shown} of {key} can't be read.", why=f"It should be {exc}.", fix=_KNOWN) from None
        found[name] = read if name in several else read[0]
    return found


_KNOWN = "`penstock help connect` lists the options and what they may be."


def as_text(text: str) -> str:
    """Return the text."""
    if not text:
        raise ValueError("a text that is not empty")
    return text


def as_boolean(text: str) -> bool:
    """Read what people write for yes and no."""
    if (lower := text.lower()) in ("true", "yes", "on", "1"):
        return True
    if lower in ("false", "no", "off", "0"):
        return False
    raise ValueError("true or false")


def as_seconds(text: str) -> int:
    """Read a number of seconds, from 1 to a year's.

    PyMySQL takes no more.
    """
    should = f"a whole number of seconds, from 1 to {_YEAR_SECONDS}"
    if (seconds := as_number(text, should)) > _YEAR_SECONDS:
        raise ValueError(should)
    return seconds


def as_number(text: str, should: str = "a whole number, from 1") -> int:
    """Read a whole number above 0."""
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
        raise ValueError(should)
    return int(text)


def as_file(text: str) -> str:
    """Return the path of a file that can be read."""
    try:
        with Path(text).open("rb"):
            return text
    except OSError:
        raise ValueError("the path of a file that this process can read") from None


def one_of(*words: str) -> Read:
    """Return a reader that takes one of these words.

    The result has the case that they have here.
    """

    def read(text: str) -> str:
        found = next((word for word in words if word.lower() == text.lower()), None)
        if found is None:
            raise ValueError(f"one of {', '.join(words)}")
        return found

    return read
