"""Refuses a day that is not over, if asked to.

By this machine's clock first, by the source's own at the end.
"""

from __future__ import annotations

from datetime import datetime

from exporter.port.database import Source
from exporter.port.question import DayQuestion
from exporter.port.sliced_source import Closed
from staging.documents.manifest import Manifest
from staging.errors import UnavailableError

_FIX = "Try again later; without --require-closed it is read as it is now, and stays unfinished."


def check_over(question: DayQuestion, now: datetime) -> None:
    """Raise UnavailableError where the day is not over by this machine's clock.

    Nothing is asked in vain.
    """
    if question.require_closed and now < question.window.end:
        raise _not_over(question, f"It ends at {question.window.end:%F %T} UTC.")


def find_closed_for(question: DayQuestion, source: Source) -> Closed | None:
    """Return whether the day is over for the database.

    UnavailableError where it is not and only such a day was asked for. Reads no row. None for a database that does not
    show open transactions: its clock is compared at the end.
    """
    closed = source.find_closed(question.window.end, question.pipeline.export.grace_seconds, tables=question.tables())
    if question.require_closed and closed is not None and not closed.is_closed:
        raise _not_over(question, f"{closed.why_not[:1].upper()}{closed.why_not[1:]}.")
    return closed


def check_read_when_over(question: DayQuestion, manifest: Manifest) -> None:
    """Raise UnavailableError where a day was read too early.

    What was read is true of an instant before the day's end.
    """
    if question.require_closed and manifest.read_early:
        raise _not_over(question, f"What was read is true of {manifest.as_of:%F %T} UTC by the source's clock.")


def _not_over(question: DayQuestion, why: str) -> UnavailableError:
    return UnavailableError(f"{question.names.day} is not over, and --require-closed was given.", why=why, fix=_FIX)
