"""Sorts what a call can raise.

Try again, unknown, or a person must act. Nothing of the client leaves the adapter. Google's own classes are in
`client_errors.py`: that is imported where its client is, and not where calls are answered by this process.
"""

from __future__ import annotations

import sys
from types import ModuleType

from chain.jobs.cloudrun.answers import (
    CONFLICT,
    FORBIDDEN,
    NOT_FOUND,
    TOO_MANY,
    UNAUTHORIZED,
    UNIMPLEMENTED,
    UNKNOWN_CODES,
    RefusedCallError,
)
from chain.jobs.cloudrun.place import Place
from staging.errors import InputError, PenstockError, UnavailableError

_CLIENT_ERRORS = "chain.jobs.cloudrun.client_errors"

_RIGHTS = "roles/run.developer on its jobs, and roles/iam.serviceAccountUser on the service accounts the jobs run as"


def call_errors() -> tuple[type[Exception], ...]:
    """Return all that a call can raise.

    Call it when something was raised: Google's classes exist only where its client is loaded.
    """
    client = sys.modules.get(_CLIENT_ERRORS)
    return (RefusedCallError, *getattr(client, "SDK_ERRORS", ()))


def code_of(error: Exception) -> int | None:
    """Return the HTTP code of the service's answer.

    None where there was no answer.
    """
    return error.code if isinstance(error, RefusedCallError) else _client().code_of(error)


def is_unknown(error: Exception) -> bool:
    """Return whether the call may have been carried out nevertheless."""
    code = code_of(error)
    return code in UNKNOWN_CODES if code is not None else _client().is_broken(error)


def is_transient(error: Exception) -> bool:
    """Return whether the same call may succeed a moment later."""
    if _is_of_login(error):
        return bool(_client().login_may_pass(error))
    return is_unknown(error) or code_of(error) == TOO_MANY


def reason(error: Exception) -> str:
    """Return the service's own sentence, else what happened to the connection."""
    if isinstance(error, RefusedCallError):
        return f"The service answered: {error.message}"
    return str(_client().reason(error))


def translate(error: Exception, place: Place, doing: str) -> PenstockError:
    """Return our error for one of the client's.

    `doing` continues "could not …".
    """
    what = f"Could not {doing} ({place})."
    if is_transient(error):
        return UnavailableError(what, why=reason(error), fix=_when_to_try_again(error, place))
    if _is_of_login(error):
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


def _is_of_login(error: Exception) -> bool:
    return not isinstance(error, RefusedCallError) and _client().is_of_login(error)


def _client() -> ModuleType:
    """Return the module that knows Google's own errors; call it when one of them was raised."""
    from chain.jobs.cloudrun import client_errors  # noqa: PLC0415 - as said above

    return client_errors
