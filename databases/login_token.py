"""Logs in to Cloud SQL by a short-lived token of IAM.

The password is a token: an OAuth2 access token of the account that this process runs as, found as Google's clients
find it (Application Default Credentials). It is fetched anew for each connection and never kept.
(https://cloud.google.com/sql/docs/postgres/iam-authentication, "Manual versus automatic".)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sqlalchemy.engine import URL

from staging.errors import InputError, PenstockError, UnavailableError
from staging.redaction import remember_secret

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

SCOPE = "https://www.googleapis.com/auth/sqlservice.login"
OPTION = "login"
"""The option of a URL that asks for a token; the keys `source.login` and `target.login` write it."""
IAM = "iam"

_METADATA_HOST = "GCE_METADATA_HOST"
_KEY_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
_WAYS = (
    "Run where a service account is attached (Cloud Run, Compute Engine), or name a key by "
    f"{_KEY_FILE}, or run `gcloud auth application-default login`."
)
_REFUSED, _SERVER_ERRORS = 400, 500
_PASSING_STATUS = frozenset({408, 429})


def check_login(url: URL, key: str) -> None:
    """Raise InputError where there is a password beside the token."""
    if url.password:
        raise InputError(
            f"{key} has a password, and a login by token.",
            why="With login = iam a short-lived token is the password.",
            fix="Leave out the password, or the login.",
        )


def refuse_unencrypted(key: str) -> InputError:
    """Return the error of a login by token without TLS."""
    return InputError(
        f"{key} asks for a login by token without TLS.",
        why="A token is sent as it is, and whoever reads it can log in.",
        fix="Leave TLS as it is by default, or take REQUIRED, VERIFY_CA or VERIFY_IDENTITY.",
    )


def fetch_token(key: str) -> str:
    """Return a token that was fetched now.

    Raises InputError where there is no account, or it is refused; else UnavailableError. No error repeats what a token
    server said, as that may be a token.
    """
    # Imported only here: a login by password waits for none of this.
    from google.auth import exceptions  # noqa: PLC0415 - see above
    from google.auth.transport.requests import Request  # noqa: PLC0415 - see above

    try:
        credentials = _find_credentials()
        credentials.refresh(Request())
        token = credentials.token
    except exceptions.GoogleAuthError as error:
        # `from None`: Google's words quote the answer.
        raise _translate(error, key) from None
    except (KeyError, TypeError, ValueError, AttributeError):
        token = None  # an answer that lacks what it should have
    if not isinstance(token, str) or not token:
        raise _unavailable(key, "The token server's answer holds no token.")
    remember_secret(token)
    return token


def _find_credentials() -> Credentials:
    """Return the account's credentials.

    A metadata server that is named is meant: Google's search would first try whether the usual address answers.
    """
    import google.auth  # noqa: PLC0415 - see above
    from google.auth import compute_engine  # noqa: PLC0415 - see above

    if os.environ.get(_METADATA_HOST) and not os.environ.get(_KEY_FILE):
        return compute_engine.Credentials(scopes=[SCOPE])
    credentials, _ = google.auth.default(scopes=[SCOPE])
    return credentials


def _translate(error: Exception, key: str) -> PenstockError:
    from google.auth import exceptions  # noqa: PLC0415 - see above

    if isinstance(error, exceptions.DefaultCredentialsError):
        return InputError(
            f"There is no account of Google Cloud to log in with, which {key} asks for.",
            why="No Application Default Credentials were found, or they can't be read.",
            fix=_WAYS,
        )
    status = _status_of(error)
    if status is not None and _REFUSED <= status < _SERVER_ERRORS and status not in _PASSING_STATUS:
        return _refused(key, f"The token server answered with HTTP status {status}.")
    if status is None and type(error) is exceptions.RefreshError and not _is_transport(error) and not error.retryable:
        return _refused(key, "The token server refused the account's credentials.")
    said = f"The token server answered with HTTP status {status}." if status else "The token server does not answer."
    return _unavailable(key, said)


def _is_transport(error: BaseException) -> bool:
    from google.auth import exceptions  # noqa: PLC0415 - see above

    return isinstance(error.__cause__, exceptions.TransportError)


def _status_of(error: BaseException) -> int | None:
    """Return the answer's status that Google's error, or its cause, carries."""
    for each in (error, error.__cause__):
        for part in each.args if each is not None else ():
            if isinstance(status := getattr(part, "status", None), int):
                return status
    return None


def _refused(key: str, why: str) -> InputError:
    return InputError(
        f"No token was given to log in with, which {key} asks for.",
        why=why,
        fix=f"Look whether the account exists and may have tokens for {SCOPE}.",
    )


def _unavailable(key: str, why: str) -> UnavailableError:
    return UnavailableError(
        f"No token could be fetched to log in with, which {key} asks for.", why=why, fix="Try again."
    )
