"""Checks single values of `[cloud]`.

ValueError says what a value should be. The service judges the rest.
"""

from __future__ import annotations

import re

from staging.telemetry.variables import SHOWN

_RESERVED = ("PENSTOCK_", "CLOUD_RUN_")
_SECRET = re.compile(r"(projects/[a-z0-9.:-]+/secrets/)?[A-Za-z0-9_-]{1,255}((:|/versions/)(latest|[0-9]+))?")
JOB_ID_CHARACTERS = 49
"""Cloud Run's limit for services; that for jobs is not documented, and executions add six characters."""


def check_project(text: str) -> str:
    """Return the id or number of a project."""
    return _matching(text, r"[a-z0-9]([a-z0-9.:-]*[a-z0-9])?", "a project's id, for example acme-data")


def check_region(text: str) -> str:
    """Return the name of a region."""
    return _matching(text, r"[a-z]([a-z0-9-]*[a-z0-9])?", "a region, for example europe-west1")


def check_endpoint(text: str) -> str:
    """Return `host` or `host:port`."""
    return _matching(text, r"[A-Za-z0-9.-]+(:[0-9]{1,5})?", "a host, for example europe-west1-run.googleapis.com")


def check_job_id(text: str) -> str:
    """Return the id of a job."""
    return _matching(
        text,
        rf"[a-z]([a-z0-9-]{{0,{JOB_ID_CHARACTERS - 2}}}[a-z0-9])?",
        f"a job's id: lower-case letters, digits and -, a letter first, at most {JOB_ID_CHARACTERS} characters",
    )


def check_cpu(text: str) -> str:
    """Return how many processors, as Cloud Run writes it."""
    return _matching(text, r"[0-9]{1,2}(\.[0-9]{1,3})?|[0-9]{2,5}m", 'a number of processors such as "2" or "500m"')


def check_memory(text: str) -> str:
    """Return how much memory, as Cloud Run writes it."""
    return _matching(text, r"[0-9]{1,6}(Mi|Gi|M|G)", 'an amount of memory such as "512Mi" or "4Gi"')


def check_account(text: str) -> str:
    """Return the address of a service account."""
    return _matching(text, r"[^@\s/]+@[^@\s/]+\.[^@\s/]+", "the address of a service account, name@project.iam.…")


def check_instance(text: str) -> str:
    """Return the connection name of a Cloud SQL instance."""
    return _matching(text, r"[a-z0-9.:-]+:[a-z0-9-]+:[a-z0-9-]+", "connection names, project:region:instance")


def check_time_of_day(text: str) -> str:
    """Return hours and minutes."""
    return _matching(text, r"([01][0-9]|2[0-3]):[0-5][0-9]", 'a time of day such as "04:00"')


def check_secrets(secrets: dict[str, str]) -> dict[str, str]:
    """Return variables, and the secrets of Secret Manager they hold.

    No value is shown, as somebody may write a password.
    """
    for variable, secret in secrets.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable):
            raise ValueError('should be a table of NAME = "secret", and one NAME is not that of a variable')
        if variable.startswith(_RESERVED):
            raise ValueError(
                f'{variable} is Penstock\'s own; choose another name, and write url = "env:NAME" where it is used'
            )
        if not _SECRET.fullmatch(secret):
            raise ValueError(
                f"{variable} should name a secret of Secret Manager: name, name:version or "
                "projects/…/secrets/name/versions/version"
            )
    return secrets


def check_variables(variables: dict[str, str]) -> dict[str, str]:
    """Return variables of traces and lineage, which hold no secret.

    Everybody who may look at the job sees them. No value is shown, as somebody may write a password.
    """
    for name, value in variables.items():
        if name not in SHOWN:
            raise ValueError(
                f"{name if name.isidentifier() else 'one of its names'} is none of {', '.join(SHOWN)}; "
                "what holds a key or a header belongs into Secret Manager: [cloud.secrets]"
            )
        if "@" in value or "?" in value:
            raise ValueError(f"{name} has a sign of a password in it; put it into Secret Manager: [cloud.secrets]")
    return variables


def _matching(text: str, pattern: str, expected: str) -> str:
    if not re.fullmatch(pattern, text):
        raise ValueError(f"should be {expected}")
    return text
