"""Sorts what the client can raise.

Over gRPC and over REST: try again, unknown, or a person must act. The classes of the two transports differ
(AlreadyExists and Conflict), their HTTP codes do not. Nothing of the client leaves the adapter.
"""

from __future__ import annotations

import re

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from chain.jobs.cloudrun.place import Place
from staging.errors import InputError, PenstockError, UnavailableError

SDK_ERRORS = (api.GoogleAPICallError, api.RetryError, auth.GoogleAuthError, requests.RequestException)

BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, TOO_MANY, UNIMPLEMENTED = 400, 401, 403, 404, 409, 429, 501
_UNKNOWN_CODES = {408, 499, 500, 502, 503, 504}

_RIGHTS = "roles/run.developer on its jobs, and roles/iam.serviceAccountUser on the service accounts the jobs run as"


def code_of(error: Exception) -> int | None:
    """Return the HTTP code of the service's answer.

    None where there was no answer.
    """
    if not isinstance(error, api.GoogleAPICallError):
        return None
    return 500 if error.code is None else int(error.code)  # gRPC's UNKNOWN has no code of its own


def is_unknown(error: Exception) -> bool:
    """Return whether the call may have been carried out nevertheless."""
    if isinstance(error, api.GoogleAPICallError):
        return code_of(error) in _UNKNOWN_CODES
    return isinstance(error, (api.RetryError, requests.RequestException))


def is_transient(error: Exception) -> bool:
    """Return whether the same call may succeed a moment later."""
    if isinstance(error, auth.GoogleAuthError):
        return isinstance(error, auth.TransportError) or bool(error.retryable)
    return is_unknown(error) or code_of(error) == TOO_MANY


def reason(error: Exception) -> str:
    """Return the service's own sentence, else what became of the connection."""
    if isinstance(error, api.GoogleAPICallError):
        told = re.sub(r"^(GET|POST|PUT|PATCH|DELETE) \S+: ", "", str(error.message)).strip()
        return f"The service answered: {told or type(error).__name__}"
    root: BaseException = error
    while (inner := root.__cause__ or root.__context__) is not None:
        root = inner
    detail = root.strerror if isinstance(root, OSError) and root.strerror else type(root).__name__
    return f"The connection failed: {detail}."


def translate(error: Exception, place: Place, doing: str) -> PenstockError:
    """Return our error for one of the client's.

    `doing` continues "could not …".
    """
    what = f"Could not {doing} ({place})."
    if is_transient(error):
        return UnavailableError(what, why=reason(error), fix=_when_to_try_again(error, place))
    if isinstance(error, auth.GoogleAuthError):
        return InputError(
            what,
            why=f"There are no credentials that Google Cloud takes ({type(error).__name__}).",
            fix="Run as a service account, or `gcloud auth application-default login`; "
            "for an emulator set RUN_EMULATOR_HOST.",
        )
    code = code_of(error)
    if code == CONFLICT:
        return UnavailableError(what, why=reason(error), fix="Somebody else changed it meanwhile; try again.")
    return InputError(what, why=reason(error), fix=_what_to_correct(code, place))


def _when_to_try_again(error: Exception, place: Place) -> str:
    if code_of(error) == TOO_MANY:
        return "A quota of Cloud Run is used up: try again in a minute, or start fewer days at once."
    if place.emulator:
        return f"Is the emulator running? RUN_EMULATOR_HOST says {place.emulator}."
    return "Try again; see https://status.cloud.google.com."


def _what_to_correct(code: int | None, place: Place) -> str:
    named = f"Are cloud.project ({place.project}) and cloud.region ({place.region}) spelled as they should be?"
    if code == UNAUTHORIZED:
        return "Run as a service account, or `gcloud auth application-default login`."
    if code == FORBIDDEN:
        return f"{named} Is the Cloud Run Admin API enabled there? This account needs {_RIGHTS}."
    if code == NOT_FOUND:
        return named
    if code == UNIMPLEMENTED:
        return "Correct cloud.endpoint: what answers there is not Cloud Run."
    return "Correct what the service names; it comes from [cloud] and [process] of the pipeline file."
