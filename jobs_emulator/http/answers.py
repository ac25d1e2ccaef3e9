"""Answers over HTTP/1.1."""

from __future__ import annotations

import json
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A whole answer.

    Length and caching headers are added when it is sent.
    """

    status: int
    content_type: str
    body: bytes = field(repr=False)
    headers: tuple[tuple[str, str], ...] = ()


def json_response(value: object, status: int = 200) -> HttpResponse:
    """An answer in JSON, laid out as Google's APIs do."""
    return HttpResponse(status, "application/json; charset=UTF-8", (json.dumps(value, indent=2) + "\n").encode())
