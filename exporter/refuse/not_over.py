"""Refuses a day that is not over, if asked to.

By this clock first, by the source's own at last.
"""

from __future__ import annotations

from datetime import datetime

from exporter.port.database import Source
from exporter.port.question import DayQuestion
from staging.errors import UnavailableError

_FIX = "Try again later; without --require-closed it is read as it is now, and stays unfinished."


def check_over(question: DayQuestion, now: datetime) -> None:
    """Raise UnavailableError where the day is not over by this machine's clock.

    Nothing is asked in vain.
    """
    if question.require_closed and now < question.window.end:
        raise _not_over(question, f"It ends at {question.window.end:%F %T} UTC.")


def find_not_over(question: DayQuestion, source: Source) -> str:
    """Return why the day may still get rows, or "".

    UnavailableError where such a day was not asked for. Reads no row. Of databases that can't tell of open transactions
    the clock is compared at the end.
    """
    closed = source.find_closed(question.window.end, question.pipeline.export.grace_seconds)
    if closed is None or closed.is_closed:
        return ""
    if question.require_closed:
        raise _not_over(question, f"{closed.why_not[:1].upper()}{closed.why_not[1:]}.")
    return closed.why_not


def check_read_when_over(question: DayQuestion, as_of: datetime) -> None:
    """Raise UnavailableError where a day was read too early.

    What was read is true of an instant before the day's end.
    """
    if question.require_closed and as_of < question.window.end:
        raise _not_over(question, f"What was read is true of {as_of:%F %T} UTC by the source's clock.")


def _not_over(question: DayQuestion, why: str) -> UnavailableError:
    return UnavailableError(f"{question.names.day} is not over, and --require-closed was given.", why=why, fix=_FIX)
