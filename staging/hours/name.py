"""An hour as the name of a window, beside days."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Any, Self

from staging.errors import InputError

PATTERN = r"\d{4}-\d\d-\d\dT\d\d(?::\d\d(?::\d\d)?)?[+-]\d\d:\d\d(?::\d\d)?"
SPELLING = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)T(?P<hour>[01]\d|2[0-3])(?::(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?)?"
    r"(?P<offset>Z|[+-](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?)?",
    re.ASCII,
)


class Hour(date):
    """The name of an hour: its begin by its own clock.

    It is a `date`, the one that the clock shows, and can be used wherever the name of a window can. Like a `datetime`
    it never equals a plain day: it comes behind the day that it lies in. `start` is aware, at the hour's own offset.
    """

    __slots__ = ("start",)
    start: datetime

    def __new__(cls, start: datetime) -> Self:
        """Return the hour that begins then."""
        hour = super().__new__(cls, start.year, start.month, start.day)
        object.__setattr__(hour, "start", start)
        return hour

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} of an hour can't be set to {value!r}")

    def isoformat(self) -> str:
        """Return `2026-10-25T02+02:00`, with minutes only where it has some."""
        start = self.start
        unit = "seconds" if start.second else "minutes" if start.minute else "hours"
        return start.isoformat(timespec=unit)

    __str__ = isoformat

    def __repr__(self) -> str:
        return f"Hour({self.isoformat()})"

    def __format__(self, spec: str) -> str:
        return self.start.strftime(spec) if spec else self.isoformat()

    def __hash__(self) -> int:
        return hash(self.start)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hour) and (self.start, self.isoformat()) == (other.start, other.isoformat())

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: date) -> bool:
        return self.start < other.start if isinstance(other, Hour) else day_of(self) < other

    def __le__(self, other: date) -> bool:
        return self < other or self == other

    def __gt__(self, other: date) -> bool:
        return not self <= other

    def __ge__(self, other: date) -> bool:
        return not self < other

    def __add__(self, other: timedelta) -> Self:
        raise TypeError(f"{self} has no neighbours without a zone")

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:  # noqa: ANN401 - as `date` has it
        raise TypeError(f"{self} has no neighbours without a zone")

    __rsub__ = __sub__

    def __reduce__(self) -> tuple[type[Hour], tuple[datetime]]:
        return Hour, (self.start,)


def day_of(window: date) -> date:
    """Return the date on which a window begins; of a day itself."""
    return date(window.year, window.month, window.day)


def parse_hour(text: str) -> Hour:
    """Parse an hour as `isoformat` spells it.

    Anything else is an InputError; `read_hour` checks that it exists in a zone.
    """
    match = SPELLING.fullmatch(text)
    if match is not None and match["offset"] is not None:
        try:
            hour = Hour(datetime.fromisoformat(f"{match['day']}T{match['hour']}:{_rest(match)}{match['offset']}"))
        except ValueError as exc:
            raise no_hour(text, str(exc)) from exc
        if hour.isoformat() == text:
            return hour
        raise no_hour(text, "Another spelling of an hour.", f"Write it as {hour}.")
    raise no_hour(text, "It needs a date, an hour and an offset from UTC.")


def _rest(match: re.Match[str]) -> str:
    return f"{match['minute'] or '00'}:{match['second'] or '00'}"


def no_hour(text: str, why: str, fix: str = "") -> InputError:
    """Return the error of a text that names no hour."""
    return InputError(
        f"{text!r} is not an hour.", why=why, fix=fix or "Write it as 2026-11-14T09+01:00, or 2026-11-14T09."
    )
