"""The chain's sentence: take the fence, export, process, load, report; and what of it is left to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from chain.day_state import read_day_state, read_loads
from chain.diff_view import describe_change
from chain.find_exports import find_current_manifest
from chain.job_errors import raise_failure
from chain.jobs import ExecutionState, JobName, JobsApi, Overrides
from chain.next_step import AskLedger, BeginRun, GoOn, Wish, plan_step
from chain.receipts import check_same_transform, find_receipts, read_receipts
from chain.report import Report, Status, build_report, check_agreement
from chain.stored_export import StoredExport, find_stored_export
from chain.wait_execution import wait_execution
from staging.cancel import Cancel
from staging.config import AUTO, Pipeline
from staging.errors import InputError, PenstockError, UnavailableError
from staging.lease import LeaseLostError
from staging.manifest import Manifest
from staging.names import DayNames, new_id
from staging.run_documents import Loaded, RunRecord
from staging.run_start import begin_run, note_run_failed
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

    A run that was cut short is gone on with. Raises what the job that failed said, with its exit code.
    """
    return _bring(run, "fresh export" if fresh_export else "run")


def reprocess_day(run: DayRun) -> Report:
    """Run today's transform over the stored export and load the result; nothing connects to the source."""
    return _bring(run, "reprocess")


def resume_day(run: DayRun) -> Report:
    """Go on with the day's last run, whatever it was asked to do and whatever ended it; what it has done stays."""
    return _bring(run, "resume")


def _bring(run: DayRun, wish: Wish) -> Report:
    began = time.monotonic()
    state = read_day_state(run.store, run.names)
    step = plan_step(wish, state, run.names)
    if not isinstance(step, BeginRun) and state.has_export:
        check_same_question(_read_manifest(run, step.run.run_id), run.pipeline)
    if isinstance(step, AskLedger):
        return _load_again(run, step.run.run_id, began)
    if isinstance(step, GoOn):
        run.say(f"run {step.run.run_id}: going on with what was begun at {step.run.created_at:%F %T} UTC")
        return _work_off(run, step.run, began)
    stored = None if step.fresh_export else _find_usable(run)
    if stored is None and step.kind == "reprocess":
        raise _no_export(run)
    now = run.now()
    record = begin_run(run.store, run.names, new_id(now), kind=step.kind, fresh_export=step.fresh_export, now=now)
    return _work_off(run, record, began)


def _work_off(run: DayRun, record: RunRecord, began: float) -> Report:
    """Do what the run has not done yet. An error that the same attempt would meet again is noted in the head."""
    try:
        manifest = _export(run, record)
        _process(run, record.run_id, manifest)
        logs = _run_job(run, "loader", record.run_id, _single()).logs
        loads = read_loads(run.store, run.names, record.run_id)
        return _report(run, manifest, loads, status="done", began=began, logs=logs)
    except (UnavailableError, LeaseLostError):
        raise
    except PenstockError:
        note_run_failed(run.store, run.names, record.run_id, now=run.now())
        raise


def _export(run: DayRun, record: RunRecord) -> Manifest:
    """Return the manifest of the export that the run uses; where it has none yet, give it one."""
    if run.store.find(run.names.run_export(record.run_id)) is None:
        stored = None if record.fresh_export else _find_usable(run)
        if stored is not None:
            run.say(f"run {record.run_id}: using the export of {stored.manifest.as_of:%F %T} UTC")
            run.store.create(run.names.run_export(record.run_id), stored.for_run(record.run_id).to_bytes())
        elif record.kind == "reprocess":
            raise _no_export(run)
        else:
            before = find_current_manifest(run.store, run.names)
            run.say(f"run {record.run_id}: reading {run.day} from the source")
            _run_job(run, "exporter", record.run_id, _single(), *(["--fresh-export"] if record.fresh_export else []))
            if before is not None:
                change = describe_change(before, _read_manifest(run, record.run_id))
                run.say(f"run {record.run_id}: since the export before: {change}")
    return _read_manifest(run, record.run_id)


def _read_manifest(run: DayRun, run_id: str) -> Manifest:
    return read_manifest(run.store, run.names, read_run_export(run.store, run.names, run_id))


def _process(run: DayRun, run_id: str, manifest: Manifest) -> None:
    """Process the shards that have no receipt; IntegrityError when one has none afterwards."""
    shards = len(manifest.shards)
    done = [receipt for receipt in find_receipts(run.store, run.names, run_id, shards) if receipt is not None]
    check_same_transform(done, run.pipeline)
    if done:
        run.say(f"run {run_id}: {len(done)} of {shards} shards are processed already")
    if len(done) < shards:
        _run_job(run, "processor", run_id, plan_tasks(run.pipeline, manifest))
        read_receipts(run.store, run.names, run_id, shards)


def _find_usable(run: DayRun) -> StoredExport | None:
    stored = find_stored_export(run.store, run.names)
    if stored is not None:
        check_same_question(stored.manifest, run.pipeline)
    return stored


def _no_export(run: DayRun) -> InputError:
    return InputError(
        f"There is no export of {run.day} to reprocess.",
        why=f"{run.store.url} holds none for the pipeline {run.pipeline.name}.",
        fix=f"Read the day first: penstock run --config {run.config} --day {run.day}",
    )


def _load_again(run: DayRun, run_id: str, began: float) -> Report:
    """The bucket says that the run has loaded the day; the loader asks the ledger, and writes nothing if it agrees.

    If it does not, the loader loads the day again and leaves another note, by which it is told here.
    """
    run.say(f"run {run_id} has loaded {run.day}; asking the target's ledger")
    manifest = _read_manifest(run, run_id)
    before = read_loads(run.store, run.names, run_id)
    logs = _run_job(run, "loader", run_id, _single()).logs
    after = read_loads(run.store, run.names, run_id)
    status: Status = "done" if len(after) > len(before) else "already done"
    return _report(run, manifest, after, status=status, began=began, logs=logs)


def _report(
    run: DayRun, manifest: Manifest, loads: Sequence[Loaded], *, status: Status, began: float, logs: str
) -> Report:
    if not loads:
        raise UnavailableError(
            f"{run.day} is loaded, but the loader could not leave its note in the bucket.",
            why=f"The log in {logs} says why.",
            fix="Nothing is lost. The same command, or `penstock verify`, shows the figures.",
        )
    report = build_report(
        manifest=manifest,
        receipts=read_receipts(run.store, run.names, loads[-1].run_id, len(manifest.shards)),
        loaded=loads[-1],
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
