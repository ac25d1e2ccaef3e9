"""Compares many days with one source.

All use one connection, opened again where it was lost; an error of one day does not end the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import date

from exporter.compare.day import Budget, Comparing, TablesInSlices, compare_day
from exporter.compare.judge import Compared
from exporter.open_source import open_source
from exporter.pacing.open_pace import open_pace
from exporter.port.pace import Pace
from exporter.port.question import DayQuestion
from staging.config.pipeline import Pipeline
from staging.documents.manifest import Manifest
from staging.errors import InputError, IntegrityError, PenstockError, UnavailableError
from staging.names import DayNames
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.store import Store
from staging.window import load_zone, plan_window

_NO_EXPORT = "compared"
ReadStored = Callable[[date], Manifest | None]


@dataclass(frozen=True, slots=True)
class DayCompared:
    """One day, compared with what was stored.

    `error` says why it can't be told, `server_seconds` how long the server worked for it.
    """

    day: date
    compared: Compared
    stored: Manifest | None = None
    error: PenstockError | None = None
    server_seconds: float = 0.0


class _Watched:
    """A pace that remembers its error: what ends one day's wait ends all others', too."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self.ended: UnavailableError | None = None
        self.waited_seconds, self.waits = pace.waited_seconds, pace.waits
        self.after_slice = pace.after_slice

    def before_snapshot(self) -> None:
        """See `Pace`."""
        self._wait(self._pace.before_snapshot)

    def before_slice(self) -> None:
        """See `Pace`."""
        self._wait(self._pace.before_slice)

    def _wait(self, wait: Callable[[], None]) -> None:
        try:
            wait()
        except UnavailableError as error:
            self.ended = error
            raise


class DayComparer:
    """Compares days of one pipeline."""

    def __init__(self, pipeline: Pipeline, store: Store, cancel: Cancel, budget_seconds: float | None) -> None:
        self._pipeline = pipeline
        self._store = store
        self._cancel = cancel
        self._budget = Budget(budget_seconds)
        self._open = ExitStack()
        self._comparing: Comparing | None = None
        self._pace: _Watched | None = None

    def compare(self, days: Sequence[date], read_stored: ReadStored) -> Iterator[DayCompared]:
        """Yield each day, in their order. InterruptedRunError when asked to end."""
        with self._open:
            for day in days:
                self._cancel.check()
                before = self._budget.seconds_spent
                compared = self._compare(day, read_stored)
                yield replace(compared, server_seconds=self._budget.seconds_spent - before)

    def _compare(self, day: date, read_stored: ReadStored) -> DayCompared:
        stored = None
        try:
            stored = read_stored(day)
            if stored is None:
                return DayCompared(day, Compared("never stored"))
            return DayCompared(day, compare_day(self._question(day), stored, self._connected()), stored)
        except (InputError, IntegrityError, UnavailableError) as error:
            self._cancel.check()
            if isinstance(error, UnavailableError):
                self._open.close()
                self._comparing = None
            elif self._comparing is not None:
                self._comparing.tables.close()  # what is wrong with one may have changed since it was opened
            why = f"{error.what} {error.why}".strip()
            return DayCompared(day, Compared("can't be told", why), stored, error)

    def _question(self, day: date) -> DayQuestion:
        source = self._pipeline.source
        window = plan_window(day, load_zone(source.timezone), source.window)
        return DayQuestion(self._pipeline, DayNames(self._pipeline.name, day), window, _NO_EXPORT)

    def _connected(self) -> Comparing:
        if self._pace is not None and self._pace.ended is not None:
            raise self._pace.ended
        if self._comparing is None:
            self._budget.check()
            source = self._open.enter_context(open_source(self._pipeline.source.url.reveal()))
            pace = self._open.enter_context(
                open_pace(self._pipeline, source.dialect, self._store, self._cancel, Progress())
            )
            self._pace = _Watched(pace)
            tables = self._open.enter_context(closing(TablesInSlices(source)))
            self._comparing = Comparing(source, tables, self._pace, self._budget)
        return self._comparing
