"""What PostgreSQL's errors mean to an export.

The SQLSTATEs are in `databases.postgres.errors`.
"""

from __future__ import annotations

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from databases.errors import Kind, Meaning
from databases.postgres.errors import meaning_of, sqlstate_of
from databases.postgres.grant import grant_to_paste
from databases.url import scrub
from exporter.port.sliced_source import SliceLostError, SliceTooLongError
from exporter.port.source_errors import source_error
from staging.errors import PenstockError, UnavailableError

_NO_SUCH_TABLE = "42P01"
_LOCK_NOT_AVAILABLE = "55P03"


def translate_error(error: BaseException, doing: str, url: URL) -> PenstockError:
    """Return the project's own error for a driver's.

    UnavailableError for what may pass, InputError for what the same attempt would meet again.
    """
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    is_table = sqlstate_of(original) == _NO_SUCH_TABLE
    meaning, text = meaning_of(original), scrub(str(original), url)
    if meaning.kind is Kind.RIGHT:
        meaning = Meaning(Kind.RIGHT, grant_to_paste(text, url.username or "", "SELECT") or meaning.fix)
    return source_error(meaning, "PostgreSQL", doing, why=text, is_table=is_table)


def translate_slice_error(error: BaseException, url: URL) -> PenstockError:
    """Return the project's own error for a slice's.

    One that says whether to connect again, to read less, or to wait.
    """
    ours = translate_error(error, "read a slice", url)
    kind, state = meaning_of(error).kind, sqlstate_of(error)
    if not isinstance(ours, UnavailableError) or state == _LOCK_NOT_AVAILABLE or kind in (Kind.FULL, Kind.CROWDED):
        return ours
    if kind is Kind.TOO_LONG:
        return SliceTooLongError(ours.what, why=ours.why, fix="Try again when the database is less busy.")
    return SliceLostError(ours.what, why=ours.why, fix="Try again.")
