"""Reads how far a day is.

Nothing is written, and no database is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

from chain.day.job import plan_tasks
from chain.jobs.look import Lookout
from chain.jobs.port import ExecutionState
from chain.status.day import (
    JOB_OF,
    DayStatus,
    Holder,
    LastError,
    StoredRun,
    plan_stage,
    tasks_of,
    without_a_word,
)
from staging.config.pipeline import Pipeline
from staging.documents.exports import find_export, read_manifest, read_run_export
from staging.documents.head import find_head
from staging.documents.lease import lease_end
from staging.documents.run import Head, Loaded
from staging.documents.run_notes import find_last_failure, find_loaded
from staging.documents.run_start import find_run
from staging.errors import InputError, IntegrityError
from staging.names import DayNames, parse_name
from staging.process.cancel import STOPPED
from staging.store import ObjectInfo, Store


@dataclass(frozen=True, slots=True)
class StatusReader:
    """Where a pipeline's days are looked for.

    `now` is this machine's clock, for stores that don't give theirs.
    """

    pipeline: Pipeline
    store: Store
    lookout: Lookout
    now: Callable[[], datetime]

    def read(self, day: date) -> DayStatus:
        """Return how far the day is.

        One with a damaged document is failed, and others are shown nevertheless.
        """
        try:
            return self._read(day)
        except IntegrityError as error:
            return DayStatus(day, "failed", error=LastError(error.what, error.why, error.fix))

    def _read(self, day: date) -> DayStatus:
        names = DayNames(self.pipeline.name, day)
        found = find_head(self.store, names)
        if found is None:
            return DayStatus(day, "never run")
        head, info = found
        holder = self._find_holder(head, info)
        if head.run_id is None:
            return DayStatus(day, "exporting" if holder else "never run", at_rest=holder is None, holder=holder)
        loaded, error = self._read_notes(names, head.run_id)
        if loaded is not None and loaded.export_id == head.export_id:
            return replace(_loaded(day, head, holder, loaded, error), unfinished=self._is_unfinished(names, loaded))
        names_of_run = [info.name for info in self.store.list(names.run_prefix(head.run_id))]
        return self._read_unloaded(names, head, holder, names_of_run, error)

    def _is_unfinished(self, names: DayNames, loaded: Loaded) -> bool | None:
        """Return whether the export was read before the day was over; None where its manifest is gone."""
        found = find_export(self.store, names, loaded.export_id)
        return found.manifest.unfinished if found else None

    def _find_holder(self, head: Head, info: ObjectInfo) -> Holder | None:
        """Return who holds the day. The store's clock costs a request: it is asked only where there is a lease."""
        if head.lease is None or self._store_now() > (until := lease_end(head.lease, info)):
            return None
        return Holder(head.lease.holder, head.lease.since, until)

    def _store_now(self) -> datetime:
        try:
            return self.store.now()
        except InputError:  # a folder takes it from a new file, which a user who may only read can't make
            return self.now()

    def _read_unloaded(
        self, names: DayNames, head: Head, holder: Holder | None, objects: list[str], error: LastError | None
    ) -> DayStatus:
        run_id = str(head.run_id)
        run = self._read_run(names, run_id, objects)
        record = find_run(self.store, names, run_id)
        execution = self.lookout.find(JOB_OF[run.stage], run_id)
        active = holder is not None or (execution is not None and not execution.finished)
        if not active and error is None:
            error = _error_of(execution) or (without_a_word(names.day) if run.receipts or run.shards is None else None)
        return DayStatus(
            day=names.day,
            stage=plan_stage(run, active=active, error=error),
            at_rest=not active,
            runs=head.fence,
            run_id=run_id,
            kind=record.kind if record else None,
            export_id=head.export_id,
            execution=execution.execution if execution else None,
            tasks=tasks_of(JOB_OF[run.stage], execution) if execution else run.tasks(),
            holder=holder,
            error=error,
        )

    def _read_run(self, names: DayNames, run_id: str, objects: list[str]) -> StoredRun:
        if names.run_export(run_id) not in objects:
            return StoredRun(None, 1, frozenset())
        manifest = read_manifest(self.store, names, read_run_export(self.store, names, run_id))
        parsed = [found for name in objects if (found := parse_name(name)) and found.kind == "receipt"]
        receipts = frozenset(found.shard for found in parsed if found.shard is not None)
        return StoredRun(len(manifest.shards), plan_tasks(self.pipeline, manifest).task_count, receipts)

    def _read_notes(self, names: DayNames, run_id: str) -> tuple[Loaded | None, LastError | None]:
        """Return what the loader noted, and the newest failure unless the day was loaded after it.

        For a loaded day it looks at nothing else: a folder looks at each object that it lists.
        """
        loaded = find_loaded(self.store, names, run_id)
        failure = find_last_failure(self.store, names, run_id)
        if failure is None or (loaded is not None and loaded.loaded_at > failure.failed_at):
            return loaded, None
        stopped = failure.stopped or failure.what.startswith(STOPPED)  # as notes said it before they had the word
        return loaded, LastError(failure.what, failure.why, failure.fix, failure.log, failure.failed_at, stopped)


def _loaded(day: date, head: Head, holder: Holder | None, loaded: Loaded, error: LastError | None) -> DayStatus:
    return DayStatus(
        day=day,
        stage="loaded",
        at_rest=holder is None,
        runs=head.fence,
        run_id=head.run_id,
        export_id=head.export_id,
        holder=holder,
        rows=loaded.rows,
        loaded_at=loaded.loaded_at,
        error=error,
    )


def _error_of(execution: ExecutionState | None) -> LastError | None:
    """Return what the tasks said, if nobody watched their execution to its end."""
    if execution is None or not execution.failures:
        return None
    failure = execution.failures[0]
    said = failure.message.splitlines()[0] if failure.message else f"It ended with exit code {failure.exit_code}."
    return LastError(f"task {failure.task}: {said}", log=failure.log)
