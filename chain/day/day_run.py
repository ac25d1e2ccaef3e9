"""What one run of one day works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from chain.asked import NOTHING_ASKED, Asked
from chain.day.plan_transform import TransformPlanner
from chain.day.trace import NO_TRACE, DayTrace
from chain.jobs.port import ExecutionState, JobName, JobsApi
from chain.lineage.day import NO_LINEAGE, DayLineage
from chain.notify.teller import Teller
from staging.config.pipeline import Pipeline
from staging.names import DayNames
from staging.process.cancel import Cancel
from staging.store import Store

Watch = Callable[[JobName, ExecutionState], None]
FindProof = Callable[["DayRun", str], str | None]
"""Where the log lies that proves that the target has what a run loaded; None if the loader must be asked."""


@dataclass(frozen=True, slots=True)
class DayRun:
    """All that one run of one day works with.

    `config` is where the pipeline was read, `by` who runs it. `planner` tries the transform before a day is read.
    """

    pipeline: Pipeline
    config: Path
    day: date
    store: Store
    jobs: JobsApi
    cancel: Cancel
    watch: Watch
    say: Callable[[str], None]
    now: Callable[[], datetime]
    by: str = ""
    teller: Teller | None = None
    planner: TransformPlanner | None = None
    asked: Asked = NOTHING_ASKED
    trace: DayTrace = NO_TRACE
    lineage: DayLineage = NO_LINEAGE
    find_proof: FindProof = lambda *_: None

    @property
    def names(self) -> DayNames:
        """Object names of this pipeline and day."""
        return DayNames(self.pipeline.name, self.day)
