"""Runs the task so that a signal ends it within seconds.

It opens the store, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from processor.assignment import read_assignment
from processor.process_task import process_task
from processor.start import Start
from staging.documents.verdict import final_verdict
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.phases import JobIdentity
from staging.process.traced import traced_job
from staging.process.watched import run_watched

_GRACE_SECONDS = 2.5  # what is left of 5 s goes to removing the scratch folder


def run_task(
    start: Start, environ: Mapping[str, str], scratch: Path, cancel: Cancel, *, say: Callable[[str], None]
) -> None:
    """Process the task's shards; raises a PenstockError.

    The caller ends the process with `exit_now`.
    """

    def work() -> None:
        with (
            open_store(start.pipeline.staging.url) as store,
            final_verdict(store, start.names, start.run_id, environ, lambda: datetime.now(UTC)),
        ):
            assignment = read_assignment(store, start.pipeline, start.names, start.run_id, start.folders)
            progress.begin("process")
            process_task(store, assignment, start.task, scratch=scratch, cancel=cancel, progress=progress, say=say)

    identity = JobIdentity("processor", start.run_id, start.day.isoformat())
    with traced_job(environ, start.pipeline.name, identity) as progress:
        run_watched(work, cancel, grace_seconds=_GRACE_SECONDS)
