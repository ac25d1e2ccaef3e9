"""Pages of a list.

A token says after which entry the next page begins, and of which list it is. Entries are ordered by a key that never
changes, so a page is right even if entries were added or deleted since the one before.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, TypeVar

from jobs_emulator.errors import FieldViolation, invalid
from jobs_emulator.protos import RequestMessage
from jobs_emulator.unknowns import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX

Entry = TypeVar("Entry")
Position = list[Any]


def take_page(
    request: RequestMessage,
    list_key: str,
    entries_after: Callable[[Position | None], Iterable[Entry]],
    position: Callable[[Entry], Position],
) -> tuple[list[Entry], str]:
    """The entries a request asks for, and the next token.

    The token of the next page is empty at the end. `entries_after` gives entries in rising `position`, those after one,
    or all; `list_key` is all else the request says, which a token must match.
    """
    if request.page_size < 0:
        raise invalid("page_size must not be negative", FieldViolation("page_size", "must not be negative"))
    size = min(request.page_size or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)
    page = list(islice(entries_after(_parse_token(request.page_token, list_key)), size + 1))
    if len(page) <= size:
        return page, ""
    return page[:size], _format_token(position(page[size - 1]), list_key)


def after(
    entries: Iterable[Entry], position: Callable[[Entry], Position]
) -> Callable[[Position | None], Iterable[Entry]]:
    """Of entries that are all at hand in rising `position`.

    Those after one.
    """
    return lambda start: (entry for entry in entries if start is None or position(entry) > start)


def _format_token(position: Position, list_key: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([zlib.crc32(list_key.encode()), position]).encode()).decode()


def _parse_token(token: str, list_key: str) -> Position | None:
    if not token:
        return None
    try:
        checksum, position = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, TypeError):
        checksum, position = None, None
    if not isinstance(position, list) or checksum != zlib.crc32(list_key.encode()):
        raise invalid("page_token is not one of this list", FieldViolation("page_token", "is not one of this list"))
    return position
