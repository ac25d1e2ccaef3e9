"""Starts and cancels jobs only while the day is held.

Only the holder of the day may. A chain that was frozen for longer than its lease wakes up beside another one that
continues its executions: it must neither cancel them nor start another.
"""

from __future__ import annotations

from dataclasses import dataclass

from chain.day.hold_lease import HeldLease, UnrenewedError
from chain.jobs.port import ExecutionState, JobName, JobsApi, Overrides, StartedExecution
from staging.documents.lease import LeaseLostError
from staging.process.cancel import Cancel


@dataclass(frozen=True, slots=True)
class LeasedJobs:
    """See `JobsApi`; wraps another one."""

    jobs: JobsApi
    lease: HeldLease

    def start_execution(self, job: JobName, run_id: str, overrides: Overrides) -> StartedExecution:
        """See `JobsApi`. LeaseLostError, or UnavailableError, where the day is not surely held."""
        self.lease.ensure()
        return self.jobs.start_execution(job, run_id, overrides)

    def find_execution(self, job: JobName, run_id: str) -> str | None:
        """See `JobsApi`."""
        return self.jobs.find_execution(job, run_id)

    def get_execution(self, execution: str) -> ExecutionState:
        """See `JobsApi`."""
        return self.jobs.get_execution(execution)

    def cancel_execution(self, execution: str) -> None:
        """Cancel an execution; see `JobsApi`.

        If somebody else holds the day by now, the execution goes on.
        """
        try:
            self.lease.ensure()
        except (LeaseLostError, UnrenewedError):
            return
        self.jobs.cancel_execution(execution)

    def rest(self, execution: str, elapsed_seconds: float, cancel: Cancel) -> None:
        """See `JobsApi`."""
        self.jobs.rest(execution, elapsed_seconds, cancel)
