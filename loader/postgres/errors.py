"""psycopg's errors as the project's own, by SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""

from __future__ import annotations

import psycopg

from loader.target.errors import CHECK_URL, ConnectionLostError, ContendedError, ReadOnlyError
from staging.errors import InputError, PenstockError, UnavailableError

_CONTENDED = {
    "40001": "serialization failure",
    "40P01": "deadlock",
    "55P03": "a lock was not had in time",
    "57014": "the statement was cancelled on the server",
}
_NOT_NOW = ("starting up", "shutting down", "recovery mode", "too many", "connection slots", "not yet accepting")
_DATA_CLASSES = ("22", "23")
_SHAPE_CLASSES = ("42", "3F", "0A", "2F", "P0")


def connect_error(exc: psycopg.Error) -> PenstockError:
    """Return what a failed connection means; libpq gives no SQLSTATE for it, so its words have to do."""
    text = " ".join(str(exc).split())
    answered = "FATAL:" in text
    if answered and not any(words in text for words in _NOT_NOW):
        return InputError(
            "PostgreSQL refuses the connection to the target database.",
            why=text,
            fix=CHECK_URL,
        )
    if isinstance(exc, psycopg.ProgrammingError):
        return InputError("target.url has an option that PostgreSQL's client can't use.", why=text)
    return ConnectionLostError(
        "PostgreSQL, the target database, can't be reached.",
        why=text,
        fix="Try again when it is up; check host and port in target.url.",
    )


def translate_error(exc: psycopg.Error) -> PenstockError:
    """Return what a failed statement means, on a connection that still stands."""
    state = exc.sqlstate or ""
    why = f"{exc.diag.message_primary or type(exc).__name__} (SQLSTATE {state or 'none'})"
    if state in _CONTENDED:
        return ContendedError(
            f"PostgreSQL stopped the load: {_CONTENDED[state]}.", why=why, fix="Run the loader again."
        )
    if state == "25006":
        return ReadOnlyError(
            "PostgreSQL takes no writes here.", why=why, fix="Give the URL of the primary in target.url."
        )
    if state == "42501":
        return InputError(
            "The target's user lacks a right.", why=why, fix="docs/guarantees.md lists the rights the loader needs."
        )
    if state.startswith(_DATA_CLASSES):
        return InputError(
            "PostgreSQL refuses rows of the day.", why=why, fix="Make the target table fit, or the transform."
        )
    if state.startswith(_SHAPE_CLASSES):
        return InputError(
            "PostgreSQL can't run the load on this target.",
            why=why,
            fix="Compare the table with what `penstock init` would create.",
        )
    return UnavailableError("PostgreSQL could not do it now.", why=why, fix="Try again; the server's log says more.")
