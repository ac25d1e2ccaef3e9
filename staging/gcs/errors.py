"""Sorts what the SDK can raise.

Try again, or a person must act. Nothing of the SDK leaves the adapter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
import urllib3.exceptions
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from staging.errors import InputError, PenstockError, UnavailableError

_TRANSIENT_CODES = {408, 429, 500, 502, 503, 504}
_PASSING_REASONS = {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded", "backendError"}
"""Whatever their status code: limits come as 403, too."""

_CONDITION = "conditionNotMet"
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


@dataclass(frozen=True, slots=True)
class Role:
    """What the bucket is to us.

    So advice names the right setting and the right permissions.
    """

    setting: str
    permissions: str


STAGING = Role(
    "staging.url",
    "storage.objects.create, .get and .list on the bucket, and .delete on the heads (see the guide to permissions)",
)
SOURCE = Role("source.parquet", "storage.objects.get and .list on the source's bucket")


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Which answers are meant, by their reason or a piece of their message, and what they mean."""

    why: str
    fix: str
    reasons: frozenset[str] = frozenset()
    said: tuple[str, ...] = ()

    def meant_by(self, reasons: frozenset[str], message: str) -> bool:
        return bool(self.reasons & reasons) or any(piece in message.lower() for piece in self.said)


_VERDICTS = (
    _Verdict(
        "A retention policy of the bucket, or a hold on the object, forbids to replace or delete it.",
        "Keep no retention policy on this bucket (`gcloud storage buckets update --clear-retention-period`), and no "
        "default hold: heads are replaced in each run.",
        frozenset({"retentionPolicyNotMet", "objectUnderActiveHold", "objectRetentionNotMet"}),
        ("retention policy", "active hold", "subject to bucket's retention", "event-based hold", "temporary hold"),
    ),
    _Verdict(
        "The bucket's project has no active billing account.",
        "Enable billing for the project; no permission is missing.",
        frozenset({"accountDisabled", "billingDisabled", "UserProjectAccountProblem", "BILLING_DISABLED"}),
        ("billing account", "billing to be enabled", "billing is disabled"),
    ),
    _Verdict(
        "The bucket makes the requester pay, and no project is named for that.",
        "Turn Requester Pays off for this bucket, or use another one.",
        frozenset({"userProjectMissing", "AuthenticationRequiredRequesterPays", "UserProjectAccessDenied"}),
        ("requester pays",),
    ),
    _Verdict(
        "A perimeter of VPC Service Controls keeps this request out.",
        "Let whoever runs the perimeter admit this account and network; no permission on the bucket is missing.",
        frozenset({"SECURITY_POLICY_VIOLATED", "vpcServiceControls", "VPC_SERVICE_CONTROLS"}),
        ("vpcservicecontrols", "vpc service controls"),
    ),
    _Verdict(
        "A constraint of the organization's policy forbids it.",
        "Ask whoever runs the organization's policy which constraint that is, or use another bucket.",
        frozenset({"orgPolicyConstraintFailed", "ORG_RESTRICTION_VIOLATION"}),
        ("organization policy", "org policy"),
    ),
    _Verdict(
        "The bucket's encryption key can't be used.",
        "Enable the key, and give Cloud Storage's service agent roles/cloudkms.cryptoKeyEncrypterDecrypter on it.",
        frozenset({"kmsKeyDisabled", "cloudKmsKeyDisabled", "CUSTOMER_MANAGED_ENCRYPTION_KEY_IN_USE"}),
        ("cloudkms", "cloud kms", "kms key"),
    ),
)
"""Refusals for another reason than a missing right, though most of them come as 403.

https://cloud.google.com/storage/docs/json_api/v1/status-codes
"""


class BadReplyError(Exception):
    """The service answered with something that is no answer.

    Tried again like a broken connection.
    """


class UploadDamagedError(Exception):
    """The service found other bytes than were sent.

    It made no object of them: all must be sent anew.
    """


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
    """Return whether the same request may succeed a moment later."""
    if isinstance(error, api.GoogleAPICallError):
        return error.code in _TRANSIENT_CODES or bool(reasons_of(error) & _PASSING_REASONS) or is_damaged(error)
    if isinstance(error, auth.GoogleAuthError):
        return isinstance(error, auth.TransportError) or bool(error.retryable)
    return isinstance(error, _TRANSIENT) and not isinstance(error, _NO_ADDRESS)


def is_damaged(error: api.GoogleAPICallError) -> bool:
    """Whether the service refused bytes that were changed on their way up."""
    return error.code == 400 and "crc32c" in str(error).lower()  # noqa: PLR2004 - Bad Request


def is_conflict(error: api.GoogleAPICallError) -> bool:
    """Return whether a precondition of ours failed.

    A policy of the organization's refuses with the same code, 412.
    """
    reasons = reasons_of(error)
    return error.code == 412 and (not reasons or _CONDITION in reasons)  # noqa: PLR2004 - Precondition Failed


def reasons_of(error: api.GoogleAPICallError) -> frozenset[str]:
    """Return the reasons that the answer gives.

    In either of the two shapes of Google's errors.
    """
    body = _body(error)
    found = [body.get("status")]
    for key in ("errors", "details"):
        for each in body.get(key) or ():
            if isinstance(each, Mapping):
                found.append(each.get("reason"))
                found += [v.get("type") for v in each.get("violations") or () if isinstance(v, Mapping)]
    return frozenset(reason for reason in found if isinstance(reason, str))


def describe(error: Exception) -> str:
    """Say what went wrong without an address.

    That of an upload session would let anybody write into it.
    """
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
    """Return what to do about an error that passes.

    An emulator that keeps files can run out of room for them.
    """
    if _DISK_IS_FULL in why.lower():
        return "Free space on the disk of the storage service that STORAGE_EMULATOR_HOST names, and try again."
    return "Try again; see https://status.cloud.google.com."


@contextmanager
def sdk_errors(url: str, doing: str, role: Role = STAGING) -> Iterator[None]:
    """Turn what the SDK raises into our errors.

    `doing` continues "could not …".
    """
    try:
        yield
    except (*SDK_ERRORS, BadReplyError) as error:
        raise translate(error, url, doing, role) from error


def translate(error: Exception, url: str, doing: str, role: Role = STAGING) -> PenstockError:
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
    if not isinstance(error, api.GoogleAPICallError):
        return InputError(what, why=describe(error))
    return _refused(error, what, role)


def _refused(error: api.GoogleAPICallError, what: str, role: Role) -> InputError:
    said, reasons = describe(error), reasons_of(error)
    for verdict in _VERDICTS:
        if verdict.meant_by(reasons, _reason(error)):
            return InputError(what, why=f"{verdict.why} {said}", fix=verdict.fix)
    if error.code == 401:  # noqa: PLR2004 - Unauthorized: the account is not known
        return InputError(
            what,
            why=f"The credentials are not valid, or not any more. {said}",
            fix="Run as a service account, or `gcloud auth application-default login` again.",
        )
    if error.code == 403:  # noqa: PLR2004 - Forbidden: the account is known
        return InputError(what, why=said, fix=f"Give this account {role.permissions}.")
    if error.code == 404:  # noqa: PLR2004 - the adapter takes the 404s of objects before
        return InputError(what, why="There is no such bucket.", fix=f"Create the bucket, or correct `{role.setting}`.")
    return InputError(what, why=said)


def _reason(error: api.GoogleAPICallError) -> str:
    """Return the service's own sentence; the SDK puts method and address before it."""
    if isinstance(message := _body(error).get("message"), str):
        return message
    return str(getattr(error.response, "reason", None) or type(error).__name__)


def _body(error: api.GoogleAPICallError) -> Mapping[str, Any]:
    try:
        found = error.response.json()["error"]
    except (AttributeError, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, Mapping) else {}
