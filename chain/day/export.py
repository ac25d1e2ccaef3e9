"""Gives a run its export.

Either the day's stored export, or one that its exporter makes now.
"""

from __future__ import annotations

from dataclasses import dataclass

from chain.day.day_run import DayRun
from chain.day.job import run_job, single_task
from chain.diff.view import describe_changes
from staging.documents.exports import (
    StoredExport,
    find_current_export,
    find_current_manifest,
    find_run_export,
    read_manifest,
    read_run_export,
)
from staging.documents.manifest import Manifest
from staging.documents.run import RunRecord
from staging.documents.same_question import check_same_question, describe_other_place, describe_other_server
from staging.documents.stored_days import is_outdated
from staging.errors import InputError


@dataclass(frozen=True, slots=True)
class GivenExport:
    """The export that a run uses.

    `before` is the day's export before it, if the run has read the day again.
    """

    manifest: Manifest
    before: Manifest | None = None


def give_export(run: DayRun, record: RunRecord) -> GivenExport:
    """Return the export that the run uses.

    Where it has none yet, give it one.
    """
    if run.store.find(run.names.run_export(record.run_id)) is None:
        stored = None if record.fresh_export else find_usable(run)
        if stored is not None and record.kind == "run" and stored.manifest.is_stale(run.now()):
            stored = None
        if stored is not None:
            run.say(f"run {record.run_id}: using the export of {stored.manifest.as_of:%F %T} UTC")
            run.store.create(run.names.run_export(record.run_id), stored.for_run(record.run_id).to_bytes())
        elif record.kind == "reprocess":
            raise no_export(run)
        else:
            before = find_current_manifest(run.store, run.names)
            if run.planner is not None:
                run.planner.plan(run.store, before, run.cancel, fresh=record.fresh_export)
            run.say(f"run {record.run_id}: reading {run.day} from the source")
            more = [*(["--fresh-export"] if record.fresh_export else []), *run.asked.of_exporter()]
            run_job(run, "exporter", record.run_id, single_task(), *more)
            after = _read_left(run, record.run_id)
            if before is not None and before.export_id != after.export_id:
                change = describe_changes(before, after)
                run.say(f"run {record.run_id}: since the export before: {change}")
                if told := describe_other_server(before, after):
                    run.say(told)
                return GivenExport(after, before)
            return GivenExport(after)
    return GivenExport(read_manifest_of(run, record.run_id))


def _read_left(run: DayRun, run_id: str) -> Manifest:
    """Return what the exporter left; InputError if it left nothing, as when code ends its process."""
    export = find_run_export(run.store, run.names, run_id)
    if export is None:
        raise InputError(
            "The exporter ended with 0, but left no export.",
            why="Something ended its process early, as `os._exit` in a source's own function does.",
            fix="Return or raise in that function; never end the process there.",
        )
    return read_manifest(run.store, run.names, export)


def read_manifest_of(run: DayRun, run_id: str) -> Manifest:
    """Return the manifest of the export that the run uses."""
    return read_manifest(run.store, run.names, read_run_export(run.store, run.names, run_id))


def find_usable(run: DayRun) -> StoredExport | None:
    """Return the stored export that can be used, or None.

    None where there is none or its days have changed; InputError if it answers another question.
    """
    stored = find_current_export(run.store, run.names)
    if stored is None:
        return None
    check_stored(run, stored.manifest)
    return None if is_outdated(run.store, stored.manifest, run.pipeline) else stored


def check_stored(run: DayRun, manifest: Manifest) -> None:
    """Raise InputError where a stored export answers another question.

    If it is from another server, only say so.
    """
    check_same_question(manifest, run.pipeline.source)
    if told := describe_other_place(manifest, run.pipeline.source):
        run.say(told)


def no_export(run: DayRun) -> InputError:
    """Return the error for reprocessing a day without an export."""
    return InputError(
        f"There is no export of {run.day} to reprocess.",
        why=f"{run.store.url} holds none for the pipeline {run.pipeline.name}.",
        fix=f"Read the day first: penstock run --config {run.config} --day {run.day}",
    )
