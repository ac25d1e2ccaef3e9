"""The chain's steps: take the fence, export, process, load, report.

And which of them are left to do.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TypeGuard

from chain.day.closed import check_finished, is_stale
from chain.day.day_run import DayRun
from chain.day.export import GivenExport, check_stored, find_usable, give_export, no_export, read_manifest_of
from chain.day.job import plan_tasks, run_job, single_task
from chain.day.next_step import AskLedger, BeginRun, GoOn, Wish, plan_step
from chain.day.receipts import check_same_transform, describe_other_transform, read_receipts
from chain.day.report import Report, Status, build_report, check_agreement
from chain.day.state import DayState, read_day_state
from staging.documents.lease import LeaseLostError
from staging.documents.manifest import Manifest
from staging.documents.run import Loaded, RunRecord
from staging.documents.run_notes import find_receipts, read_loads
from staging.documents.run_start import begin_run, note_run_failed
from staging.documents.stored_days import is_outdated
from staging.errors import PenstockError, UnavailableError
from staging.names import new_id


def run_day(run: DayRun, *, fresh_export: bool) -> Report:
    """Bring the day to done.

    A day that is done already stays as it is; only the target's ledger decides that. A run that was cut short is
    resumed. Raises the failed job's error, with its exit code.
    """
    return _bring(run, "fresh export" if fresh_export else "run")


def reprocess_day(run: DayRun) -> Report:
    """Run today's transform over the stored export and load the result.

    Nothing connects to the source.
    """
    return _bring(run, "reprocess")


def resume_day(run: DayRun) -> Report:
    """Resume the day's last run.

    Whatever it was asked to do and whatever ended it; what it has done stays.
    """
    return _bring(run, "resume")


def _bring(run: DayRun, wish: Wish) -> Report:
    """Bring it to done, and note for the webhook whether it was loaded before."""
    if run.teller is None:
        return _bring_to_done(run, wish)
    was_loaded = run.teller.was_loaded(run.store, run.names)
    report = _bring_to_done(run, wish)
    run.teller.note_done(report, was_loaded=was_loaded)
    return report


def _bring_to_done(run: DayRun, wish: Wish) -> Report:
    began = time.monotonic()
    state = read_day_state(run.store, run.names)
    step = plan_step(wish, state, run.names)
    if wish == "run" and not _reads_anyway(step, state) and is_stale(run, state):
        run.say(f"{run.day} was read before it was over; reading it again")
        step = BeginRun(kind="run", fresh_export=True)
    if not isinstance(step, BeginRun) and state.has_export:
        check_stored(run, read_manifest_of(run, step.run.run_id))
    if _rests_on_an_export(step, state, wish) and _is_outdated(run, step.run):
        step = BeginRun(kind="run", fresh_export=True)
    if run.asked.permitted.raise_fence is not None and not isinstance(step, BeginRun):
        step = BeginRun(kind="reprocess" if wish == "reprocess" else "run")
    if isinstance(step, AskLedger):
        return _load_again(run, step.run.run_id, began)
    if isinstance(step, GoOn):
        run.say(f"run {step.run.run_id}: going on with what was begun at {step.run.created_at:%F %T} UTC")
        return _work_off(run, step.run, began)
    stored = None if step.fresh_export else find_usable(run)
    if stored is None and step.kind == "reprocess":
        raise no_export(run)
    now = run.now()
    record = begin_run(
        run.store,
        run.names,
        new_id(now),
        kind=step.kind,
        fresh_export=step.fresh_export,
        now=now,
        by=run.by,
        above_fence=run.asked.permitted.raise_fence or 0,
    )
    return _work_off(run, record, began)


def _reads_anyway(step: BeginRun | GoOn | AskLedger, state: DayState) -> bool:
    """Whether a resumed run was to read the source, and has not done it yet."""
    return isinstance(step, GoOn) and step.run.fresh_export and not state.has_export


def _rests_on_an_export(step: BeginRun | GoOn | AskLedger, state: DayState, wish: Wish) -> TypeGuard[GoOn | AskLedger]:
    """Whether a command that wants the day as it is now would load what is there, or call it done."""
    return isinstance(step, AskLedger) or (isinstance(step, GoOn) and wish == "run" and state.has_export)


def _is_outdated(run: DayRun, record: RunRecord) -> bool:
    """Whether the days that a longer window was made of have changed. A table's day is not checked."""
    if run.pipeline.source.exports is None:
        return False
    return is_outdated(run.store, read_manifest_of(run, record.run_id), run.pipeline)


def _work_off(run: DayRun, record: RunRecord, began: float) -> Report:
    """Do what the run has not done yet. An error that the same attempt would meet again is noted in the head."""
    try:
        given = give_export(run, record)
        manifest = given.manifest
        if run.asked.require_closed:
            check_finished(manifest)
        _process(run, record.run_id, manifest)
        logs = run_job(run, "loader", record.run_id, single_task(), *run.asked.of_loader()).logs
        loads = read_loads(run.store, run.names, record.run_id)
        return _report(run, given, loads, status="done", began=began, logs=logs)
    except (UnavailableError, LeaseLostError):
        raise
    except PenstockError:
        note_run_failed(run.store, run.names, record.run_id, now=run.now())
        raise


def _process(run: DayRun, run_id: str, manifest: Manifest) -> None:
    """Process the shards that have no receipt; IntegrityError when one has none afterwards."""
    shards = len(manifest.shards)
    done = [receipt for receipt in find_receipts(run.store, run.names, run_id, shards) if receipt is not None]
    check_same_transform(done, run.pipeline)
    if done:
        run.say(f"run {run_id}: {len(done)} of {shards} shards are processed already")
    if len(done) < shards:
        run_job(run, "processor", run_id, plan_tasks(run.pipeline, manifest))
        read_receipts(run.store, run.names, run_id, shards)


def _load_again(run: DayRun, run_id: str, began: float) -> Report:
    """The bucket says that the run has loaded the day; the loader asks the ledger, and writes nothing if it agrees.

    If it does not, the loader loads the day again and leaves another note, which is seen here.
    """
    run.say(f"run {run_id} has loaded {run.day}; asking the target's ledger")
    manifest = read_manifest_of(run, run_id)
    if run.asked.require_closed:
        check_finished(manifest)
    before = read_loads(run.store, run.names, run_id)
    if (logs := run.find_proof(run, run_id)) is not None:
        return _report(run, GivenExport(manifest), before, status="already done", began=began, logs=logs)
    logs = run_job(run, "loader", run_id, single_task(), *run.asked.of_loader(), noted=False).logs
    after = read_loads(run.store, run.names, run_id)
    status: Status = "done" if len(after) > len(before) else "already done"
    return _report(run, GivenExport(manifest), after, status=status, began=began, logs=logs)


def _report(
    run: DayRun, given: GivenExport, loads: Sequence[Loaded], *, status: Status, began: float, logs: str
) -> Report:
    if not loads:
        raise UnavailableError(
            f"{run.day} is loaded, but the loader could not leave its note in the bucket.",
            why=f"The log in {logs} says why.",
            fix="Nothing is lost. The same command, or `penstock verify`, shows the figures.",
        )
    manifest = given.manifest
    receipts = read_receipts(run.store, run.names, loads[-1].run_id, len(manifest.shards))
    folders = run.planner.folders if run.planner is not None else ()
    if other := describe_other_transform(receipts, run.pipeline, folders):
        run.say(other)
    report = build_report(
        manifest=manifest,
        before=given.before,
        receipts=receipts,
        loaded=loads[-1],
        status=status,
        tasks=plan_tasks(run.pipeline, manifest).task_count,
        seconds=time.monotonic() - began,
        logs=logs,
        cloud=run.pipeline.cloud,
    )
    check_agreement(report)
    if status == "done":
        run.trace.measure(report, manifest, run.now())
    return report
