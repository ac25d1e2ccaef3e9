"""Opens what many days share, once.

The store, the place where jobs run; and for each day its lease and its run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from chain.asked import Asked
from chain.day.await_holder import await_dead_holder
from chain.day.closed import check_closed
from chain.day.day_run import DayRun, FindProof
from chain.day.hold_lease import hold_lease, new_lease
from chain.day.leased_jobs import LeasedJobs
from chain.day.note_failure import noted_failures
from chain.history.remember import RememberedDays
from chain.jobs.port import JobsApi
from chain.notify.teller import Teller
from chain.range.linked_cancel import CancelGroup
from chain.views.run_view import View
from staging.config.pipeline import Pipeline
from staging.documents.lease import DayLease
from staging.names import DayNames
from staging.store import Store


@dataclass(frozen=True, slots=True)
class SharedByDays:
    """What all days use.

    `jobs` is safe to use by several at once, `cancels` gives each day a cancel of its own.
    """

    pipeline: Pipeline
    config: Path
    store: Store
    jobs: JobsApi
    cancels: CancelGroup
    environ: Mapping[str, str]
    teller: Teller
    remembered: RememberedDays
    asked: Asked = field(default_factory=Asked)
    find_proof: FindProof = lambda *_: None

    @contextmanager
    def open_day(self, day: date, view: View) -> Iterator[DayRun]:
        """Hold the day and give its run.

        HeldError while somebody else works on it.
        """
        if self.asked.require_closed:
            check_closed(self.pipeline, day, _now())
        names = DayNames(self.pipeline.name, day)
        lease = new_lease(_now(), self.pipeline.chain.lease_seconds, self.environ)
        with self.cancels.one() as cancel:
            await_dead_holder(self.store, names, cancel, view.say)
            with (
                self.remembered.after(names),
                hold_lease(DayLease(self.store, names, lease, _now), cancel, view.say) as held,
                noted_failures(self.store, names, _now, view.say, by=lease.holder),
            ):
                yield DayRun(
                    pipeline=self.pipeline,
                    config=self.config.absolute(),
                    day=day,
                    store=self.store,
                    jobs=LeasedJobs(self.jobs, held),
                    cancel=cancel,
                    watch=view.watch,
                    say=view.say,
                    now=_now,
                    by=lease.holder,
                    teller=self.teller,
                    asked=self.asked,
                    find_proof=self.find_proof,
                )


def _now() -> datetime:
    return datetime.now(UTC)
