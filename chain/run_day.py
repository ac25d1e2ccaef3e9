"""The chain's sentence: take the fence, export, process, load, report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from chain.job_errors import raise_failure
from chain.jobs import ExecutionState, JobName, JobsApi, Overrides
from chain.receipts import read_receipts
from chain.report import Report, Status, build_report, check_agreement
from chain.stored_export import StoredExport, find_stored_export
from chain.wait_execution import wait_execution
from staging.cancel import Cancel
from staging.config import AUTO, Pipeline
from staging.errors import InputError, UnavailableError
from staging.manifest import Manifest
from staging.names import DayNames, new_id
from staging.run_documents import Loaded
from staging.run_start import begin_run
from staging.same_question import check_same_question
from staging.store import Store
from staging.used_export import read_manifest, read_run_export

Watch = Callable[[JobName, ExecutionState], None]
_WHOLE_DAY_SECONDS = 24 * 3600  # Cloud Run would allow a week; exporter and loader have time limits of their own


@dataclass(frozen=True, slots=True)
class DayRun:
    """All that one run of one day works with. `job_config` is how the jobs find the pipeline file."""

    pipeline: Pipeline
    config: Path
    job_config: str
    day: date
    store: Store
    jobs: JobsApi
    cancel: Cancel
    watch: Watch
    say: Callable[[str], None]
    now: Callable[[], datetime]

    @property
    def names(self) -> DayNames:
        """Object names of this pipeline and day."""
        return DayNames(self.pipeline.name, self.day)


def run_day(run: DayRun, *, fresh_export: bool) -> Report:
    """Bring the day to done; a day that is done already stays as it is, which only the target's ledger decides.

    Raises what the job that failed said, with its exit code.
    """
    began = time.monotonic()
    stored = None if fresh_export else find_stored_export(run.store, run.names)
    if stored is not None:
        check_same_question(stored.manifest, run.pipeline)
    if stored is not None and stored.loaded_run_id is not None:
        return _load_again(run, stored, stored.loaded_run_id, began)
    run_id = _begin(run, "run", fresh_export=fresh_export)
    if stored is None:
        run.say(f"run {run_id}: reading {run.day} from the source")
        _run_job(run, "exporter", run_id, _single(), *(["--fresh-export"] if fresh_export else []))
    else:
        _use(run, stored, run_id)
    return _process_and_load(run, run_id, began)


def reprocess_day(run: DayRun) -> Report:
    """Run today's transform over the stored export and load the result; nothing connects to the source."""
    began = time.monotonic()
    stored = find_stored_export(run.store, run.names)
    if stored is None:
        raise InputError(
            f"There is no export of {run.day} to reprocess.",
            why=f"{run.store.url} holds none for the pipeline {run.pipeline.name}.",
            fix=f"Read the day first: penstock run --config {run.config} --day {run.day}",
        )
    check_same_question(stored.manifest, run.pipeline)
    run_id = _begin(run, "reprocess", fresh_export=False)
    _use(run, stored, run_id)
    return _process_and_load(run, run_id, began)


def _begin(run: DayRun, kind: Literal["run", "reprocess"], *, fresh_export: bool) -> str:
    now = run.now()
    return begin_run(run.store, run.names, new_id(now), kind=kind, fresh_export=fresh_export, now=now).run_id


def _use(run: DayRun, stored: StoredExport, run_id: str) -> None:
    """Say in the bucket that the run uses the stored export: what the exporter does after it has read."""
    run.say(f"run {run_id}: using the export of {stored.manifest.as_of:%F %T} UTC")
    run.store.create(run.names.run_export(run_id), stored.for_run(run_id).to_bytes())


def _process_and_load(run: DayRun, run_id: str, began: float) -> Report:
    manifest = read_manifest(run.store, run.names, read_run_export(run.store, run.names, run_id))
    tasks = plan_tasks(run.pipeline, manifest)
    _run_job(run, "processor", run_id, tasks)
    read_receipts(run.store, run.names, run_id, len(manifest.shards))
    logs = _run_job(run, "loader", run_id, _single()).logs
    return _report(run, run_id, manifest, status="done", began=began, logs=logs)


def _load_again(run: DayRun, stored: StoredExport, run_id: str, began: float) -> Report:
    """The bucket says that the run has loaded the day; the loader asks the ledger, and writes nothing if it agrees."""
    run.say(f"run {run_id} has loaded {run.day}; asking the target's ledger")
    state = _run_job(run, "loader", run_id, _single())
    already: Status = "done" if state.progress.note == "loaded" else "already done"
    return _report(run, run_id, stored.manifest, status=already, began=began, logs=state.logs)


def _report(run: DayRun, run_id: str, manifest: Manifest, *, status: Status, began: float, logs: str) -> Report:
    name = run.names.loaded(run_id)
    if run.store.find(name) is None:
        raise UnavailableError(
            f"{run.day} is loaded, but the loader could not leave its note in the bucket.",
            why=f"{name} is not there; the log in {logs} says why.",
            fix="Nothing is lost. The same command, or `penstock verify`, shows the figures.",
        )
    report = build_report(
        manifest=manifest,
        receipts=read_receipts(run.store, run.names, run_id, len(manifest.shards)),
        loaded=Loaded.parse(run.store.read(name)[0], name=name),
        status=status,
        tasks=plan_tasks(run.pipeline, manifest).task_count,
        seconds=time.monotonic() - began,
        logs=logs,
    )
    check_agreement(report)
    return report


def plan_tasks(pipeline: Pipeline, manifest: Manifest) -> Overrides:
    """Return how the processor runs: as many tasks as shards where `tasks` is "auto", never more at once than tasks."""
    process = pipeline.process
    tasks = max(1, len(manifest.shards)) if process.tasks == AUTO else process.tasks
    return Overrides(
        arguments=(),
        task_count=tasks,
        parallelism=None if process.parallelism == AUTO else min(process.parallelism, tasks),
        max_retries=process.max_retries,
        timeout_seconds=process.timeout_seconds,
    )


def _single() -> Overrides:
    return Overrides(arguments=(), max_retries=2, timeout_seconds=_WHOLE_DAY_SECONDS)


def _run_job(run: DayRun, job: JobName, run_id: str, plan: Overrides, *more: str) -> ExecutionState:
    arguments = ("--config", run.job_config, "--day", run.day.isoformat(), "--run-id", run_id, *more)
    overrides = Overrides(
        arguments=arguments,
        task_count=plan.task_count,
        parallelism=plan.parallelism,
        max_retries=plan.max_retries,
        timeout_seconds=plan.timeout_seconds,
    )
    started = run.jobs.start_execution(job, run_id, overrides)
    if started.continued:
        run.say(f"run {run_id}: the {job} is under way already ({started.execution}), so no second one is started")
    state = wait_execution(run.jobs, started.execution, run.cancel, lambda state: run.watch(job, state))
    raise_failure(job, state)
    return state
