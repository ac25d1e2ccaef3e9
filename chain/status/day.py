"""Describes how far a day is, for people.

Derived from what lies in the bucket and, where it can be asked, from the jobs' API.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from chain.jobs.port import ExecutionState, JobName
from staging.documents.comparisons import Comparison

Stage = Literal["never run", "exporting", "exported", "processing", "loading", "loaded", "failed", "stopped"]

JOB_OF: dict[Stage, JobName] = {"exporting": "exporter", "processing": "processor", "loading": "loader"}


@dataclass(frozen=True, slots=True)
class LastError:
    """Why the day's last run was given up.

    `log` is where to read more, empty where nobody knows. `stopped`: nothing went wrong, somebody or something ended
    it.
    """

    what: str
    why: str = ""
    fix: str = ""
    log: str = ""
    failed_at: datetime | None = None
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Holder:
    """Who works on the day.

    Since when, by its own clock, and until when unless it renews before.
    """

    holder: str
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Tasks:
    """Tasks of a job.

    Of the job that is under way or was the last, if the API says so, else of the processor. All but `total` and `done`
    need the API: else None.
    """

    job: JobName
    total: int
    done: int
    failed: int | None = None
    running: int | None = None
    retried: int | None = None


@dataclass(frozen=True, slots=True)
class DayStatus:
    """How far one day is.

    `runs` is how many were begun; `rows` and `loaded_at` are the loader's note; nothing is proven by it.
    """

    day: date
    stage: Stage
    at_rest: bool = True
    runs: int = 0
    run_id: str | None = None
    kind: str | None = None
    export_id: str | None = None
    execution: str | None = None
    tasks: Tasks | None = None
    holder: Holder | None = None
    rows: int | None = None
    loaded_at: datetime | None = None
    error: LastError | None = None
    unfinished: bool | None = None
    """Whether the loaded export was read before the day was over; None where nothing is loaded."""
    compared: Comparison | None = None
    """When the current export was last compared with the source; None where it never was."""

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints of it."""
        tasks, holder, error = self.tasks, self.holder, self.error
        return {
            "day": self.day.isoformat(),
            "stage": self.stage,
            "at_rest": self.at_rest,
            "runs": self.runs,
            "run_id": self.run_id,
            "kind": self.kind,
            "export_id": self.export_id,
            "execution": self.execution,
            "job": tasks.job if tasks else None,
            "tasks": tasks.total if tasks else None,
            "tasks_done": tasks.done if tasks else None,
            "tasks_failed": tasks.failed if tasks else None,
            "tasks_running": tasks.running if tasks else None,
            "retried": tasks.retried if tasks else None,
            "holder": holder.holder if holder else None,
            "held_since": holder.since.isoformat() if holder else None,
            "held_until": holder.until.isoformat() if holder else None,
            "rows": self.rows,
            "unfinished": self.unfinished,
            "compared": self.compared.outcome if self.compared else None,
            "compared_at": self.compared.compared_at.isoformat() if self.compared else None,
            "loaded_at": self.loaded_at.isoformat() if self.loaded_at else None,
            "error": error
            and {
                "what": error.what,
                "why": error.why,
                "fix": error.fix,
                "log": error.log,
                "failed_at": error.failed_at.isoformat() if error.failed_at else None,
            },
        }


@dataclass(frozen=True, slots=True)
class StoredRun:
    """What the bucket says of the day's last unfinished run.

    It has not loaded the day. `shards` is None before its export.
    """

    shards: int | None
    task_count: int
    receipts: frozenset[int]

    @property
    def stage(self) -> Stage:
        """What it would do if it were under way."""
        if self.shards is None:
            return "exporting"
        return "processing" if len(self.receipts) < self.shards else "loading"

    def tasks(self) -> Tasks | None:
        """Return the processor's tasks.

        One has ended when all shards of its index have receipts.
        """
        if self.shards is None:
            return None
        left = {shard % self.task_count for shard in range(self.shards) if shard not in self.receipts}
        return Tasks("processor", total=self.task_count, done=self.task_count - len(left))


def plan_stage(run: StoredRun, *, active: bool, error: LastError | None) -> Stage:
    """Return the stage of a day that is not loaded.

    Nobody works on it: an export alone may wait for a run that processes it; anything else is a run that failed, or
    that somebody or something stopped before it was done.
    """
    if active:
        return run.stage
    if error is None:
        return "exported" if run.shards is not None and not run.receipts else "stopped"
    return "stopped" if error.stopped else "failed"


def tasks_of(job: JobName, state: ExecutionState) -> Tasks:
    """Return what the API says of a job's tasks."""
    return Tasks(job, state.task_count, state.succeeded, state.failed, state.running, state.retried)


def without_a_word(day: date) -> LastError:
    """Return the error of a run that left no note.

    Nobody works on it.
    """
    return LastError(
        "The run was stopped before it was done.",
        why="Whoever worked on it was killed, or its machine is gone.",
        fix=f"penstock resume --day {day} goes on.",
        stopped=True,
    )
