"""What PostgreSQL's errors mean to an export: by SQLSTATE (PostgreSQL manual, appendix A), at connecting by text."""

from __future__ import annotations

import re

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from exporter.port.catalogue import scrub
from exporter.port.sliced_source import SliceLostError, SliceTooLongError
from staging.errors import InputError, PenstockError, UnavailableError

KEEP_IDLE = "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'"
"""A statement: an hour of pacing is no reason to end a session that is idle meanwhile. Before version 14 none was."""

_ASKED_WRONGLY = (
    "password authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
    "certificate",
    "invalid connection option",
    "invalid URI",
    "invalid port",
    "is not permitted to log in",
    "server does not support SSL",
)
_PASSING = ("canceling", "terminating", "timeout", "deadlock", "serialize", "recovery", "memory")
"""What an error between two rows says that may pass: it comes without its SQLSTATE."""
_STATES_BY_WORDS = {"No space left on device": "53100", "exceeds temp_file_limit": "53400"}
"""What of such an error is known by its words."""
_STATE = re.compile(r"SQLSTATE: ([0-9A-Z]{5})")
_FIXES = {
    "42501": "Grant it: GRANT SELECT ON the table (and USAGE ON its schema) TO the user of source.url.",
    "42P01": "Look at `source.table` and, where a name has dots, `source.schema`.",
    "42703": "Look at the columns and at `source.where`; names are compared exactly.",
    "28P01": "Correct the password in source.url; @ : / % in it are written %40 %3A %2F %25.",
    "53100": "Free space on the database server's disk, where it keeps temporary files (`temp_tablespaces`) or data, "
    "and try again. A view that sorts or groups needs room for all of its rows.",
    "53400": "Raise the limit that it names for the user of source.url, or read what sorts and groups less.",
    "57014": "Raise `export.max_snapshot_seconds`, index the time column, or read from a replica.",
    "55P03": "Try again when the ALTER, or whatever holds the table's lock, is through.",
}
_QUERY_CANCELED = "57014"
_LOCK_NOT_AVAILABLE = "55P03"
_DISK_FULL = "53100"
_LIMIT_EXCEEDED = "53400"
_TRANSIENT_CLASSES = ("08", "40", "53", "55", "57", "58")


def translate_error(error: BaseException, doing: str, url: URL) -> PenstockError:
    """Return ours: UnavailableError for what may pass, InputError for what the same attempt would meet again."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = scrub(str(original), url)
    state = _sqlstate(original, text)
    what = f"PostgreSQL {'has no room on its disk to' if state == _DISK_FULL else 'could not'} {doing}."
    fix = _FIXES.get(state or "", "")
    if state is None:
        said = "ERROR:" in text and not any(mark in text for mark in _PASSING)
        wrong = said or any(mark in text for mark in _ASKED_WRONGLY)
        at_fault = "the columns and `source.where`" if said else "source.url: host, port, database, user, password"
        fix = f"Look at {at_fault}." if wrong else "Try again; is the server up?"
        return InputError(what, why=text, fix=fix) if wrong else UnavailableError(what, why=text, fix=fix)
    if state.startswith(_TRANSIENT_CLASSES) and state != _LIMIT_EXCEEDED:
        return UnavailableError(what, why=text, fix=fix or "Try again.")
    return InputError(what, why=text, fix=fix or "Look at the pipeline's source, above all `source.where`.")


def translate_slice_error(error: BaseException, url: URL) -> PenstockError:
    """Return ours for a slice: one that says whether to connect again, to read less, or to wait."""
    ours = translate_error(error, "read a slice", url)
    state = _sqlstate(error, ours.why)
    if not isinstance(ours, UnavailableError) or state == _LOCK_NOT_AVAILABLE or (state or "").startswith("53"):
        return ours
    if state == _QUERY_CANCELED and "statement timeout" in ours.why:
        return SliceTooLongError(ours.what, why=ours.why, fix="Try again when the database is less busy.")
    return SliceLostError(ours.what, why=ours.why, fix="Try again.")


def _sqlstate(error: BaseException, text: str) -> str | None:
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str) and state.strip("\0"):
        return state
    if match := _STATE.search(text):
        return match[1]
    return next((known for words, known in _STATES_BY_WORDS.items() if words in text), None)
