"""What goes over HTTP/1.1: requests, and answers to them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A whole request.

    Header names are lower case, the last of several equal ones counts.
    """

    verb: str
    target: str
    headers: dict[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A whole answer.

    Length and caching headers are added when it is sent.
    """

    status: int
    content_type: str
    body: bytes = field(repr=False)
    headers: tuple[tuple[str, str], ...] = ()


Answer = Callable[[HttpRequest], Awaitable[HttpResponse]]


def json_response(value: object, status: int = 200) -> HttpResponse:
    """An answer in JSON, laid out as Google's APIs do."""
    return HttpResponse(status, "application/json; charset=UTF-8", (json.dumps(value, indent=2) + "\n").encode())
