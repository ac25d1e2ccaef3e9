"""Makes an attempt of a job a span of its run's trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from staging.process.phases import JobIdentity
from staging.process.progress import Progress
from staging.telemetry.open import open_span


@contextmanager
def traced_job(environ: Mapping[str, str], pipeline_name: str, identity: JobIdentity) -> Iterator[Progress]:
    """Run the block as the job's span; yield its progress.

    Each phase that is begun is a span below it. Where nobody wants traces only the progress is made.
    """
    attributes = {
        "penstock.pipeline": pipeline_name,
        "penstock.day": identity.day,
        "penstock.run_id": identity.run_id,
        "penstock.job": identity.job,
        "penstock.task": environ.get("CLOUD_RUN_TASK_INDEX", "0"),
        "penstock.attempt": environ.get("CLOUD_RUN_TASK_ATTEMPT", "0"),
        "penstock.execution": environ.get("CLOUD_RUN_EXECUTION", ""),
    }
    with open_span(environ, f"penstock-{identity.job}", identity.job, attributes) as span:
        yield Progress.from_environment(environ, identity, span)
