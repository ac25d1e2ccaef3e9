"""Makes a day a trace.

It has a span for the day and one for each job, which goes on in the job's own process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime

from chain.day.report import Report
from chain.jobs.port import JobName
from staging.documents.manifest import Manifest
from staging.telemetry.open import open_span, plan_job_environment
from staging.telemetry.span import NO_SPAN, DayFigures, Span


@dataclass(frozen=True, slots=True)
class DayTrace:
    """A day's span, and the environment that says where traces go.

    Without both nothing is traced.
    """

    span: Span = NO_SPAN
    environ: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def job(self, job: JobName, run_id: str) -> Iterator[Mapping[str, str]]:
        """Run the block as a job's span.

        Yields the variables by which the job goes on with it.
        """
        with self.span.inner(f"run {job}", {"penstock.run_id": run_id}) as span:
            yield plan_job_environment(self.environ, span)

    def measure(self, report: Report, manifest: Manifest, now: datetime) -> None:
        """Record the day's result."""
        rows = {
            "exported": report.rows_exported,
            "processed": report.rows_processed,
            "set aside": report.rows_set_aside,
            "loaded": report.rows_loaded,
        }
        lag_seconds = (now - manifest.window_end).total_seconds()
        self.span.note({"penstock.run_id": report.run_id, "penstock.export_id": report.export_id})
        self.span.measure(DayFigures(rows, report.waited_seconds, lag_seconds))


NO_TRACE = DayTrace()


@contextmanager
def traced_day(environ: Mapping[str, str], pipeline_name: str, day: date) -> Iterator[DayTrace]:
    """Run the block as a day's span, if somebody wants traces."""
    attributes = {"penstock.pipeline": pipeline_name, "penstock.day": day.isoformat()}
    with open_span(environ, "penstock-chain", f"{pipeline_name} day", attributes) as span:
        yield DayTrace(span, environ)
