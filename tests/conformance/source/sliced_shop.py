"""A day of purchases that is read in slices, and what others do to it meanwhile: as the one suite sees each server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

from staging.config.pipeline import Pipeline
from tests.exporter.days import pipeline
from tests.exporter.sliced_reads import calm

ROWS = 2000
"""All of one day of Berlin; `id` counts from 1 and rises with time, the amounts are 0.00, 0.01 … 19.99."""
AMOUNT = "19990.00"

Do = Callable[[str], list[Any]]
"""Runs a statement in a session of its own, and returns what it answers."""

Change = Literal["column gone", "more digits", "column renamed", "emptied", "rewritten", "gone", "renamed", "swapped"]


class SlicedShop(ABC):
    """A table of a day's purchases, and a session that does things to it; times are UTC."""

    settle_seconds: float
    """Then a transaction that has begun is older than now, by what the server shows of it."""
    random: str
    """A chance from 0 to 1."""
    analyze: str
    harmless: Sequence[str]
    """What this server alone can do to the table without a change to the day's rows."""
    questions: Sequence[str]
    """Conditions that are true of every row, and ask for more than the row."""
    changes: Mapping[Change, tuple[str, str]]
    """What changes the table itself, and what the error then says."""
    cancelled: str
    """What this server says of a statement that somebody ended."""

    def __init__(self, url: str) -> None:
        self.url = url

    @abstractmethod
    def do(self, sql: str) -> list[Any]:
        """Run it as the one who writes."""

    @abstractmethod
    def session(self) -> AbstractContextManager[Do]:
        """Give another session; it ends with the block, and with it what it holds."""

    @abstractmethod
    def add_column(self, declared: str) -> None:
        """Add a column without a copy of the table."""

    @abstractmethod
    def widen_amount(self) -> None:
        """Let the amounts have four digits behind the point."""

    @abstractmethod
    def prepared(self, name: str) -> AbstractContextManager[None]:
        """Have a transaction prepared that has inserted a row of another day; it is taken back in the end."""

    @abstractmethod
    def reader(self) -> AbstractContextManager[str]:
        """Give the URL of an account that may read the table."""

    @abstractmethod
    def take_the_right_away(self, reader_url: str) -> None: ...

    @abstractmethod
    def lock(self, do: Do) -> None:
        """Keep all others from the table until the session ends."""

    @abstractmethod
    def longest_wait_seconds(self, do: Do) -> float:
        """Return how long somebody has waited for the table by now; 0 if nobody does."""

    @abstractmethod
    def end_ours(self, slices: Any) -> None:
        """End the exporter's session, which reads these slices."""

    @abstractmethod
    def cancel_ours(self, do: Do) -> None:
        """End the statement that the exporter runs now, if any."""

    @abstractmethod
    def count_ours(self, do: Do) -> int:
        """Return how many sessions the exporter has."""

    @abstractmethod
    def close(self) -> None: ...

    def settings(self, folder: Path, *, where: str | None = None, **export: Any) -> Pipeline:
        """A pipeline in slices, whose pace never waits."""
        made = {"read": "slices", "shards": 4} | export
        return calm(pipeline(self.url, folder, export=made, columns=["amount", "note"], where=where))
