"""Looks at executions where the jobs' API can be asked.

On an emulator that the environment names, or on Cloud Run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from chain.jobs.open import find_place
from chain.jobs.port import ExecutionState, JobName, JobsApi
from staging.config.pipeline import Pipeline
from staging.errors import InputError, InterruptedRunError, UnavailableError
from staging.process.cancel import Cancel


class Lookout:
    """Finds executions, until the API fails once.

    Then `say` reports it, and the bucket has to be enough.
    """

    def __init__(self, jobs: JobsApi | None, say: Callable[[str], None]) -> None:
        self._jobs = jobs
        self._say = say
        self._lock = threading.Lock()

    def find(self, job: JobName, run_id: str) -> ExecutionState | None:
        """Return the newest execution of the job, or None.

        For the run; None where there is none or the API can't be asked.
        """
        with self._lock:  # a second one would wait in vain for the same service
            if self._jobs is None:
                return None
            try:
                execution = self._jobs.find_execution(job, run_id)
                return self._jobs.get_execution(execution) if execution else None
            except InterruptedRunError:
                raise
            except (UnavailableError, InputError) as error:
                self._jobs = None
                self._say(f"warning: only the bucket is asked: {error.what} {error.why}")
                return None


@contextmanager
def open_lookout(
    pipeline: Pipeline, environ: Mapping[str, str], cancel: Cancel, say: Callable[[str], None]
) -> Iterator[Lookout]:
    """Yield a lookout.

    It sees nothing where the jobs run inside some other process on this machine.
    """
    place = find_place(pipeline, environ)
    if place is None:
        yield Lookout(None, say)
        return
    from chain.jobs.cloudrun.jobs import JobSettings, open_cloud_run_jobs  # noqa: PLC0415 - slow to import
    from chain.jobs.local.emulator_logs import EmulatorLogs  # noqa: PLC0415 - goes with it

    settings = JobSettings(logs=EmulatorLogs(place.emulator)) if place.emulator else JobSettings()
    with ExitStack() as stack:
        jobs: JobsApi | None = None
        try:
            jobs = stack.enter_context(open_cloud_run_jobs(pipeline, place, cancel, settings))
        except InputError as error:
            say(f"warning: only the bucket is asked: {error.what} {error.why}")
        yield Lookout(jobs, say)
