"""Sorts what Google's client can raise.

The classes of gRPC and REST differ (AlreadyExists and Conflict), their HTTP codes do not.
"""

from __future__ import annotations

import re

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth

SDK_ERRORS = (api.GoogleAPICallError, api.RetryError, auth.GoogleAuthError, requests.RequestException)


def code_of(error: Exception) -> int | None:
    """See `errors.code_of`."""
    if not isinstance(error, api.GoogleAPICallError):
        return None
    return 500 if error.code is None else int(error.code)  # gRPC's UNKNOWN has no code of its own


def is_broken(error: Exception) -> bool:
    """Return whether the connection broke, or the client gave up."""
    return isinstance(error, (api.RetryError, requests.RequestException))


def is_of_login(error: Exception) -> bool:
    """Return whether the credentials failed, before any call."""
    return isinstance(error, auth.GoogleAuthError)


def login_may_pass(error: Exception) -> bool:
    """Return whether credentials that failed may work a moment later."""
    return isinstance(error, auth.TransportError) or bool(getattr(error, "retryable", False))


def reason(error: Exception) -> str:
    """See `errors.reason`."""
    if isinstance(error, api.GoogleAPICallError):
        told = re.sub(r"^(GET|POST|PUT|PATCH|DELETE) \S+: ", "", str(error.message)).strip()
        return f"The service answered: {told or type(error).__name__}"
    root: BaseException = error
    while (inner := root.__cause__ or root.__context__) is not None:
        root = inner
    detail = root.strerror if isinstance(root, OSError) and root.strerror else type(root).__name__
    return f"The connection failed: {detail}."
