"""Decides which object names a store takes.

The rules of GCS, and those that keep a name inside its prefix. https://cloud.google.com/storage/docs/objects#naming
sets the length and refuses CR, LF, `.well-known/acme-challenge/`. Stricter here: no segment is empty, `.` or `..`, and
there is no control character, so every name is a path as well.
"""

from __future__ import annotations

import re

from staging.errors import InputError

MAX_NAME_BYTES = 1024
RESERVED_FOLDER = ".penstock"
"""The folder adapter keeps its own files there; no object's name begins with it, in any store."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def check_object_name(name: str, *, prefix: str = "") -> str:
    """Return `name` if it can name an object below `prefix`.

    Else raise InputError. The prefix counts for the length.
    """
    if fault := _fault(name, prefix):
        raise _bad(name, fault)
    return name


def is_object_name(name: str) -> bool:
    """Return whether `name` can name an object."""
    return not _fault(name, "")


def check_list_prefix(text: str) -> str:
    """Return `text` if object names can begin with it.

    Else raise InputError. Every name begins with the empty text.
    """
    folder, _, rest = text.rpartition("/")
    if fault := (_fault(folder, "") if "/" in text else "") or _text_fault(rest):
        raise _bad(text, fault)
    return text


def _fault(name: str, prefix: str) -> str:
    """Say what is wrong with a whole name; empty when nothing is."""
    segments = name.split("/")
    if fault := _text_fault(name):
        return fault
    if "" in segments:
        return "It is empty, or begins or ends with `/`, or has an empty segment."
    if "." in segments or ".." in segments:
        return "It has a segment `.` or `..`."
    if segments[0] == RESERVED_FOLDER or name.startswith(".well-known/acme-challenge/"):
        return f"Names below `{segments[0]}/` are reserved."
    whole = f"{prefix}/{name}" if prefix else name
    if len(whole.encode()) > MAX_NAME_BYTES:
        return f"With its prefix it is longer than {MAX_NAME_BYTES} bytes of UTF-8."
    return ""


def _text_fault(text: str) -> str:
    if _CONTROL.search(text):
        return "It holds a control character or a line break."
    try:
        text.encode()
    except UnicodeEncodeError:
        return "It is no valid Unicode text."
    return ""


def _bad(name: str, why: str) -> InputError:
    shown = name if len(name) <= 200 else f"{name[:200]}…"  # noqa: PLR2004 - enough to recognise it by
    return InputError(
        f"{shown!r} can't be an object's name.",
        why=why,
        fix="Use segments of plain text parted by `/`, relative to the staging prefix.",
    )
