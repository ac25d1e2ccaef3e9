"""Asks the target of many loaded days at once.

One loader proves them all over one connection; else each day would start a loader of its own. It writes nothing. If its
answer is not a plain yes, each day is asked for by itself, and that says why.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from chain.day.day_run import DayRun
from chain.day.state import read_day_state
from chain.jobs.port import ExecutionState, JobsApi, Overrides
from chain.jobs.settings import CONFIG_ARGUMENT
from chain.jobs.wait import wait_execution
from staging.config.pipeline import Pipeline
from staging.errors import InputError, InterruptedRunError, UnavailableError
from staging.names import DayNames, new_id
from staging.store import Store

_DAYS, _ROWS = 50, 500_000
"""At most so many days and rows are asked about at once: more would take one process too long."""
_SECONDS = 3600


@dataclass(slots=True)
class StillLoaded:
    """What was asked; safe to use by several days at once.

    `jobs` are not those of one held day: nothing is written.
    """

    pipeline: Pipeline
    store: Store
    jobs: JobsApi
    days: Sequence[date]
    _asked: set[date] = field(default_factory=set)
    _proven: dict[date, tuple[str, str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find_logs(self, run: DayRun, run_id: str) -> str | None:
        """Return the log of the proof that the day is loaded.

        Where it lies; None where the target is not known to have what the run loaded. The first day that asks also asks
        about those after it.
        """
        if self.pipeline.target.parquet is not None or run.asked.of_loader():
            return None
        with self._lock:
            if run.day not in self._asked:
                self._ask(run)
            proven, logs = self._proven.get(run.day, ("", ""))
        return logs if proven == run_id else None

    def _ask(self, run: DayRun) -> None:
        runs = dict(self._loaded_from(run.day))
        self._asked |= {run.day, *runs}
        if len(runs) > 1 and (state := self._prove(run, runs)) is not None:
            self._proven |= {day: (run_id, state.logs) for day, run_id in runs.items()}

    def _loaded_from(self, first: date) -> Iterator[tuple[date, str]]:
        rows = 0
        begun = self.days.index(first)
        for day in self.days[begun : begun + _DAYS]:
            state = read_day_state(self.store, DayNames(self.pipeline.name, day))
            if state.run is None or state.loaded is None or not state.is_done:
                return
            rows += state.loaded.rows
            if rows > _ROWS:
                return
            yield day, state.run.run_id

    def _prove(self, run: DayRun, runs: dict[date, str]) -> ExecutionState | None:
        arguments = [text for day, run_id in runs.items() for text in ("--still-loaded", f"{day.isoformat()}={run_id}")]
        wanted = Overrides(("--config", CONFIG_ARGUMENT, *arguments), timeout_seconds=_SECONDS)
        run.say(f"asking the target of {len(runs)} loaded days at once")
        try:
            started = self.jobs.start_execution("loader", new_id(datetime.now(UTC)), wanted)
            state = wait_execution(self.jobs, started.execution, run.cancel, lambda _: None)
        except InterruptedRunError:
            raise
        except (UnavailableError, InputError):
            return None
        return state if state.succeeded == state.task_count else None
