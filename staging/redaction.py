"""Keeps passwords out of everything that is printed.

It knows those of URLs by their shape, and remembers those that were revealed. Drivers and libraries quote passwords as
they got them: raw, percent-encoded, inside a `repr`. So each form of each password of each URL that was revealed in
this process is replaced everywhere.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus, urlsplit

HIDDEN = "…"
_URL_PASSWORD = re.compile(r"(\w[\w+.-]*://[^\s:/@'\"]*):[^\s'\"]*@")
_SECRET_PARAMETER = re.compile(r"passw(or)?d|passphrase|pwd|secret|token|sslpassword", re.IGNORECASE)
_USER_AND_PASSWORD = re.compile(r"[^:/@]*:(?P<password>.+)@", re.DOTALL)
_LONG_WORD, _LONG_CODE = 16, 8

_lock = threading.Lock()
_patterns: dict[str, re.Pattern[str]] = {}


def remember_secrets_of(url: str) -> str:
    """Let `redact` know a database URL's passwords; return the URL.

    However they are written.
    """
    with _lock:
        for password in _passwords(url):
            for form in _forms(password):
                _patterns.setdefault(form, _pattern(form))
    return url


def remember_secret(secret: str) -> None:
    """Let `redact` know a secret that is no URL's."""
    with _lock:
        for form in _forms(secret):
            _patterns.setdefault(form, _pattern(form))


def remember_secret_address(url: str) -> str:
    """Let `redact` hide a secret web address; return it.

    Its path and parameters, as the address is a secret as a whole.
    """
    parts = urlsplit(url)
    rest = f"{parts.path}?{parts.query}" if parts.query else parts.path
    pieces = [piece for piece in (*parts.path.split("/"), *dict(parse_qsl(parts.query)).values()) if piece]
    for secret in (rest.strip("/"), *(piece for piece in pieces if len(piece) >= _LONG_CODE)):
        remember_secret(secret)
    return remember_secrets_of(url)


def redact(text: str) -> str:
    """Return `text` with `…` for each secret.

    The password of any URL in it, and all that were remembered.
    """
    with _lock:
        known = sorted(_patterns.items(), key=lambda item: len(item[0]), reverse=True)
    for _, pattern in known:
        text = pattern.sub(HIDDEN, text)
    return _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", text)


def _passwords(url: str) -> Iterator[str]:
    """Yield what may be a password: also one with `@`, `:`, `/`, `?` or `#` in it as they are."""
    rest = url.partition("://")[2]
    for end in (rest, re.split(r"[/?#]", rest, maxsplit=1)[0]):
        if match := _USER_AND_PASSWORD.match(end):
            yield match["password"]
    try:
        query = urlsplit(url).query
    except ValueError:  # a bracket in a raw password looks like a broken IPv6 address
        query = url.partition("?")[2]
    for name, value in parse_qsl(query):
        if _SECRET_PARAMETER.search(name):
            yield value


def _forms(password: str) -> set[str]:
    plain = {password, unquote(password), unquote_plus(password)}
    encoded = {encode(each) for each in plain for encode in (quote, quote_plus, _quote_all)}
    shown = {repr(each)[1:-1] for each in plain}
    lower = {re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), each) for each in encoded}
    return {form for form in plain | encoded | shown | lower if form}


def _quote_all(text: str) -> str:
    return quote(text, safe="")


def _pattern(form: str) -> re.Pattern[str]:
    """A plain word is hidden only as a whole word, or a password like `test` would make holes in other words."""
    is_word = form.isalnum() and len(form) < (_LONG_WORD if form.isalpha() else _LONG_CODE)
    return re.compile(rf"(?<!\w){re.escape(form)}(?!\w)" if is_word else re.escape(form))
