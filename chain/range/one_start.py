"""Starts jobs one after the other.

Days at once share a job, and each start may write its definition.
"""

from __future__ import annotations

import threading

from chain.jobs.port import ExecutionState, JobName, JobsApi, Overrides, StartedExecution
from staging.process.cancel import Cancel


class OneStartAtATime:
    """See `JobsApi`; wraps another one that several threads use."""

    def __init__(self, jobs: JobsApi) -> None:
        self._jobs = jobs
        self._starting = threading.Lock()

    def start_execution(self, job: JobName, run_id: str, overrides: Overrides) -> StartedExecution:
        """See `JobsApi`."""
        with self._starting:
            return self._jobs.start_execution(job, run_id, overrides)

    def find_execution(self, job: JobName, run_id: str) -> str | None:
        """See `JobsApi`."""
        return self._jobs.find_execution(job, run_id)

    def get_execution(self, execution: str) -> ExecutionState:
        """See `JobsApi`."""
        return self._jobs.get_execution(execution)

    def cancel_execution(self, execution: str) -> None:
        """See `JobsApi`."""
        self._jobs.cancel_execution(execution)

    def rest(self, execution: str, elapsed_seconds: float, cancel: Cancel) -> None:
        """See `JobsApi`."""
        self._jobs.rest(execution, elapsed_seconds, cancel)
