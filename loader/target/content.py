"""Compares what a day is to hold with what a table holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation


@dataclass(frozen=True, slots=True)
class Content:
    """What a day is to hold.

    Rows, exact totals by output column as text, digest.
    """

    rows: int
    totals: dict[str, str]
    digest: str


@dataclass(frozen=True, slots=True)
class DayCount:
    """What a database counted.

    Rows, totals by output column as it writes them.
    """

    rows: int
    totals: dict[str, str]


def content_faults(content: Content, found: DayCount, verb: str) -> Iterator[str]:
    """Yield what differs between a day's content and a table's."""
    if found.rows != content.rows:
        yield f"{found.rows} rows are {verb}, {content.rows} should be"
    for name, total in content.totals.items():
        if not is_same_number(total, counted := found.totals.get(name, "nothing")):
            yield f"{name} adds up to {counted}, it should be {total}"


def is_same_number(left: str, right: str) -> bool:
    """Return whether two texts are the same number.

    Zeros at the end don't matter.
    """
    try:
        return Decimal(left) == Decimal(right)  # comparing is exact, whatever the context's precision
    except InvalidOperation:
        return False
