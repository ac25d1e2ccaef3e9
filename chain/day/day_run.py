"""What one run of one day works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class Permitted:
    """What a ledger would refuse.

    An older export, this bucket's head instead of the one it names. `raise_fence`: begin a run above this fence, where
    the head was restored from an older copy.
    """

    allow_older: bool = False
    adopt_head: str | None = None
    raise_fence: int | None = None

    def loader_arguments(self) -> tuple[str, ...]:
        """Return the loader's options for it."""
        older = ("--allow-older",) if self.allow_older else ()
        return older if self.adopt_head is None else (*older, "--adopt-head", self.adopt_head)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks of a day besides its name.

    It reaches the jobs as their own options. `read_once`: a day that changes while it is read is left for later.
    """

    accept_change: bool = False
    require_closed: bool = False
    permitted: Permitted = Permitted()
    read_once: bool = False

    def of_exporter(self) -> list[str]:
        """Return the exporter's options."""
        closed = ["--require-closed"] if self.require_closed else []
        return [*closed, *(["--most-reads", "1"] if self.read_once else [])]

    def of_loader(self) -> list[str]:
        """Return the loader's options."""
        return [*(["--accept-change"] if self.accept_change else []), *self.permitted.loader_arguments()]


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
    asked: Asked = Asked()
    trace: DayTrace = NO_TRACE
    lineage: DayLineage = NO_LINEAGE

    @property
    def names(self) -> DayNames:
        """Object names of this pipeline and day."""
        return DayNames(self.pipeline.name, self.day)
