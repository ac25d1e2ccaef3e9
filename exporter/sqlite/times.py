"""Finds texts in a time column that are no ISO times.

Texts are compared as texts, so what is written otherwise lies in no window, or in a wrong one: `2026/11/14` behind all
of 2026, ` 2026-11-14` before all years, `1794614400` in 1794. Looked for by ranges alone, which an index serves: near
the window, and where no year of our time lies.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

_ISO = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*"
_FIRST, _BEHIND_LAST = "1900-", "2100-"
_BEHIND_DIGITS = ":"
_BEHIND_ALL = "\U0010ffff"


def not_iso(time: str, first: date, last: date) -> str:
    """Return the condition of texts that are no ISO times.

    `time` is the quoted column; the window lies on the dates from `first` to `last`.
    """
    far = (f"{time} < '{_FIRST}'", f"{time} >= '{_BEHIND_LAST}' AND {time} < x''")
    found = [f"({each} AND {time} NOT GLOB '{_ISO}')" for each in far]
    found += [f"({time} >= '{low}' AND {time} < '{high}')" for low, high in _near(first, last)]
    return f"({' OR '.join(found)})"


def _near(first: date, last: date) -> Iterator[tuple[str, str]]:
    """Yield ranges of texts that begin with a year of the window's, or a date of it, and are no ISO dates.

    No bound looks like a number: a column whose type is a numeric one, as TIMESTAMP is, would be compared with that.
    """
    for year in range(first.year, last.year + 1):
        yield f"{year - 1:04}{_BEHIND_ALL}", f"{year:04}-"  # 2026 11 14
        yield f"{year:04}-{_BEHIND_ALL}", f"{year:04}{_BEHIND_ALL}"  # 2026/11/14, 2026.11.14, 20261114
    for day in (first + timedelta(days=number) for number in range((last - first).days + 1)):
        months = {f"{day.year:04}-{day.month}-"} - {f"{day:%Y-%m-}"}
        for month in months:
            yield month, month + _BEHIND_ALL
        if day.day < 10:  # noqa: PLR2004 - written with one digit
            short = f"{day:%Y-%m-}{day.day}"
            yield short, short + "0"
            yield short + _BEHIND_DIGITS, short + _BEHIND_ALL
