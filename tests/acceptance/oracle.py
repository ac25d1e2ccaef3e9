"""What a day's revenue must be, in plain Python: `decimal`, `zoneinfo` and rows in memory. It never asks a database.

It shares no line with Penstock. A row belongs to a day when the wall clock of the zone shows that date at the row's
instant; nothing here computes a window.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Generic, TypeVar
from zoneinfo import ZoneInfo

Key = int | str
K = TypeVar("K")
K_co = TypeVar("K_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Row(Generic[K_co]):
    """One purchase. `at` is an instant in UTC."""

    key: K_co
    at: datetime
    amount: Decimal
    status: str


@dataclass(frozen=True, slots=True)
class BusinessDay:
    """A date on the wall clocks of a zone."""

    day: date
    zone: str

    def holds(self, instant: datetime) -> bool:
        """Whether the wall clock shows this date at that instant."""
        return instant.astimezone(ZoneInfo(self.zone)).date() == self.day

    def first_and_last_minute(self) -> tuple[datetime, datetime]:
        """Return the first and the last whole minute (UTC) at which the wall clock shows this date.

        Found by looking at every minute of five days; there is no zone today whose offset has seconds.
        """
        noon = datetime(self.day.year, self.day.month, self.day.day, 12, tzinfo=UTC)
        minutes = [noon + timedelta(minutes=minute) for minute in range(-60 * 48, 60 * 48)]
        inside = [minute for minute in minutes if self.holds(minute)]
        return inside[0], inside[-1]


def revenue_of(rows: Iterable[Row[K]], day: BusinessDay, status: str | None) -> dict[K, tuple[Decimal, int]]:
    """Return {key: (revenue, purchases)} of the day's rows; of those with this status, if one is given."""
    found: dict[K, tuple[Decimal, int]] = {}
    with localcontext() as context:
        context.prec = 100
        for row in rows:
            if day.holds(row.at) and status in (None, row.status):
                revenue, purchases = found.get(row.key, (Decimal(0), 0))
                found[row.key] = (revenue + row.amount, purchases + 1)
    return found


def rows_of(rows: Iterable[Row[Key]], day: BusinessDay, status: str | None) -> list[tuple[Key, datetime, Decimal]]:
    """Return (key, instant, amount) of each of the day's rows, sorted: what the shards together must hold."""
    return sorted((row.key, row.at, row.amount) for row in rows if day.holds(row.at) and status in (None, row.status))


def total_of(revenue: dict[Key, tuple[Decimal, int]]) -> Decimal:
    """Return the day's revenue of all keys."""
    with localcontext() as context:
        context.prec = 100
        return sum((money for money, _ in revenue.values()), Decimal(0))
