"""What the SDK can raise, sorted once: try again, or a person must act. Nothing of the SDK leaves the adapter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
import urllib3.exceptions
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from staging.errors import InputError, PenstockError, UnavailableError

_TRANSIENT_CODES = {408, 429, 500, 502, 503, 504}
_FORBIDDEN_CODES = {401, 403}
_DISK_IS_FULL = "no space left on device"

SDK_ERRORS = (
    api.GoogleAPICallError,
    api.RetryError,
    auth.GoogleAuthError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,  # a raw download reads from urllib3 itself
    ConnectionError,
    TimeoutError,
)


class BadReplyError(Exception):
    """The service answered with something that is no answer: tried again like a broken connection."""


class UploadDamagedError(Exception):
    """The service found other bytes than were sent, and made no object of them: all must be sent anew."""


_TRANSIENT = (
    BadReplyError,
    api.RetryError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    ConnectionError,
    TimeoutError,
)


_NO_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed a moment later."""
    if isinstance(error, api.GoogleAPICallError):
        return error.code in _TRANSIENT_CODES or is_damaged(error)
    if isinstance(error, auth.GoogleAuthError):
        return isinstance(error, auth.TransportError) or bool(error.retryable)
    return isinstance(error, _TRANSIENT) and not isinstance(error, _NO_ADDRESS)


def is_damaged(error: api.GoogleAPICallError) -> bool:
    """Whether the service refused bytes that were changed on their way up."""
    return error.code == 400 and "crc32c" in str(error).lower()  # noqa: PLR2004 - Bad Request


def describe(error: Exception) -> str:
    """Say what went wrong without an address: that of an upload session would let anybody write into it."""
    if isinstance(error, api.GoogleAPICallError):
        return f"The service answered {error.code}: {_reason(error)}"
    if isinstance(error, BadReplyError):
        return str(error)
    root: BaseException = error
    while (inner := root.__cause__ or root.__context__) is not None:
        root = inner
    detail = root.strerror if isinstance(root, OSError) and root.strerror else type(root).__name__
    return f"The connection failed: {detail}."


def what_helps(why: str) -> str:
    """Return what to do about a trouble that passes; an emulator that keeps files can run out of room for them."""
    if _DISK_IS_FULL in why.lower():
        return "Free space on the disk of the storage service that STORAGE_EMULATOR_HOST names, and try again."
    return "Try again; see https://status.cloud.google.com."


@contextmanager
def sdk_errors(url: str, doing: str) -> Iterator[None]:
    """Turn what the SDK raises into our errors; `doing` continues "could not …"."""
    try:
        yield
    except (*SDK_ERRORS, BadReplyError) as error:
        raise translate(error, url, doing) from error


def translate(error: Exception, url: str, doing: str) -> PenstockError:
    """Return our error for one of the SDK's."""
    what = f"Could not {doing} in {url}."
    if is_transient(error):
        why = describe(error)
        return UnavailableError(what, why=why, fix=what_helps(why))
    if isinstance(error, _NO_ADDRESS):
        return InputError(
            what,
            why="The service's address is none; STORAGE_EMULATOR_HOST says it.",
            fix="Write it like http://127.0.0.1:4443, or unset it.",
        )
    if isinstance(error, auth.GoogleAuthError):
        return InputError(
            what,
            why=f"There are no credentials that Google Cloud takes ({type(error).__name__}).",
            fix="Run as a service account, or `gcloud auth application-default login`; "
            "for an emulator set STORAGE_EMULATOR_HOST.",
        )
    code = error.code if isinstance(error, api.GoogleAPICallError) else None
    if code in _FORBIDDEN_CODES:
        return InputError(
            what,
            why=describe(error),
            fix="Give this account storage.objects.create, .get and .list on the bucket, "
            "and .delete on the heads (see the guide to permissions).",
        )
    if code == 404:  # noqa: PLR2004 - the adapter takes the 404s of objects before
        return InputError(what, why="There is no such bucket.", fix="Create the bucket, or correct `staging.url`.")
    return InputError(what, why=describe(error), fix="Look at the bucket's settings (retention, location, encryption).")


def _reason(error: api.GoogleAPICallError) -> str:
    """Return the service's own sentence; the SDK puts method and address before it."""
    reply = error.response
    try:
        return str(reply.json()["error"]["message"])
    except (AttributeError, ValueError, KeyError, TypeError):
        return str(getattr(reply, "reason", None) or type(error).__name__)
