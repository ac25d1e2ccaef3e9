"""State in SQLite, so that it outlives the emulator.

Jobs, executions, tasks with their attempts, operations. What a call has promised (a job, an execution, an operation) is
committed before the answer leaves. The progress of tasks is written in batches, a few times a second; a crash loses at
most the last of them, and those tasks are run again. One process owns the folder, held by a lock on `lock`.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jobs_emulator.names import ExecutionName, parse_execution, parse_job
from jobs_emulator.protos import Execution, Job
from jobs_emulator.records import (
    AttemptRecord,
    Counts,
    End,
    ExecutionRecord,
    JobRecord,
    OperationKind,
    OperationRecord,
    Phase,
    TaskRecord,
    TaskState,
)

FORMAT = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (name TEXT PRIMARY KEY, message BLOB NOT NULL, execution_count INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS executions (
    sequence INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, spec BLOB NOT NULL, state TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS tasks (
    execution INTEGER NOT NULL, task_index INTEGER NOT NULL, state INTEGER NOT NULL, completed_at REAL NOT NULL,
    attempts TEXT NOT NULL, PRIMARY KEY (execution, task_index)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS operations (
    sequence INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL, metadata BLOB NOT NULL,
    response BLOB NOT NULL, execution TEXT NOT NULL, error_code INTEGER NOT NULL, error_message TEXT NOT NULL,
    job TEXT NOT NULL) STRICT;
"""
_EXECUTION_STATE = (
    "created_at", "phase", "started_at", "completed_at", "updated_at", "retried_at", "retried_attempt",
    "cancel_requested", "failure_code", "failure_message",
)  # fmt: skip


class StoreError(Exception):
    """The data folder cannot be used.

    The message says why and what to do.
    """


class Store:
    """The database of one data folder.

    Raises StoreError when another emulator has it, or another format lies in it.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(self._lock)
            raise StoreError(f"Another emulator uses {folder}. Stop it, or choose another --data folder.") from exc
        try:
            self._database = _open_database(folder / "state.sqlite3")
        except (sqlite3.Error, StoreError) as exc:
            os.close(self._lock)
            raise StoreError(f"{folder / 'state.sqlite3'}: {exc}") from exc

    def close(self) -> None:
        """Closes the database and releases the folder."""
        self._database.close()
        os.close(self._lock)

    def write_job(self, job: JobRecord) -> None:
        """Creates or replaces a job."""
        with self._database as database:
            database.execute(
                "INSERT INTO jobs VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
                " message = excluded.message, execution_count = excluded.execution_count",
                (str(job.name), job.message.SerializeToString(), job.execution_count),
            )

    def delete_job(self, job: JobRecord) -> None:
        """Removes a job and all of its executions."""
        with self._database as database:
            database.execute("DELETE FROM jobs WHERE name = ?", (str(job.name),))
        for execution in job.executions.values():
            self.delete_execution(execution)

    def delete_execution(self, record: ExecutionRecord) -> None:
        """Removes an execution and its tasks."""
        with self._database as database:
            database.execute("DELETE FROM tasks WHERE execution = ?", (record.sequence,))
            database.execute("DELETE FROM executions WHERE sequence = ?", (record.sequence,))

    def write_operation(self, operation: OperationRecord) -> None:
        """Creates an operation."""
        execution = str(operation.execution.name) if operation.execution else ""
        with self._database as database:
            database.execute(
                "INSERT OR REPLACE INTO operations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    operation.sequence, operation.name, int(operation.kind), operation.metadata, operation.response,
                    execution, operation.error_code, operation.error_message, operation.job,
                ),
            )  # fmt: skip

    def delete_operation(self, operation: OperationRecord) -> None:
        """Removes an operation."""
        with self._database as database:
            database.execute("DELETE FROM operations WHERE sequence = ?", (operation.sequence,))

    def write_progress(self, changes: Iterable[tuple[ExecutionRecord, set[int]]]) -> None:
        """Writes executions and those of their tasks that changed, in one transaction."""
        with self._database as database:
            for record, task_indices in changes:
                state = {key: getattr(record, key) for key in _EXECUTION_STATE} | {"counts": asdict(record.counts)}
                update = "UPDATE executions SET state = ? WHERE sequence = ?"
                if not database.execute(update, (json.dumps(state), record.sequence)).rowcount:
                    row = (record.sequence, str(record.name), record.spec.SerializeToString(), json.dumps(state))
                    database.execute("INSERT INTO executions VALUES (?, ?, ?, ?)", row)
                database.executemany(
                    "INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?, ?)",
                    [_task_row(record.sequence, record.tasks[index]) for index in task_indices],
                )

    def read_jobs(self) -> list[JobRecord]:
        """All jobs with their executions and tasks, in the order of creation."""
        jobs: dict[str, JobRecord] = {}
        for name, blob, count in self._database.execute(
            "SELECT name, message, execution_count FROM jobs ORDER BY name"
        ):
            jobs[name] = JobRecord(parse_job(name, "name"), Job.FromString(blob), count)
        for row in self._database.execute("SELECT sequence, name, spec, state FROM executions ORDER BY sequence"):
            record = _read_execution(*row)
            for task in self._database.execute("SELECT * FROM tasks WHERE execution = ?", (record.sequence,)):
                record.tasks[task[1]] = _read_task(*task[1:])
            jobs[str(record.name.parent)].executions[record.name.execution] = record
        return list(jobs.values())

    def read_operations(self, executions: dict[str, ExecutionRecord]) -> list[OperationRecord]:
        """All operations, oldest first.

        Those of executions that are gone are left out.
        """
        rows = self._database.execute("SELECT * FROM operations ORDER BY sequence")
        return [
            OperationRecord(name, sequence, OperationKind(kind), metadata, response, executions.get(execution), *error)
            for sequence, name, kind, metadata, response, execution, *error in rows
            if not execution or execution in executions
        ]


def _open_database(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False)
    try:
        _set_up(database)
    except (sqlite3.Error, StoreError):
        database.close()
        raise
    return database


def _set_up(database: sqlite3.Connection) -> None:
    # Nothing is lost when the process dies: the system has what was written. A power cut may lose it; to wait for
    # the disk would hold up every call, and this is a folder for development and tests.
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = OFF")
    (found,) = database.execute("PRAGMA user_version").fetchone()
    if found not in {0, FORMAT}:
        raise StoreError(f"has format {found}, this emulator writes format {FORMAT}. Choose another --data folder.")
    database.executescript(_SCHEMA)
    database.execute(f"PRAGMA user_version = {FORMAT}")


def _task_row(sequence: int, task: TaskRecord) -> tuple[Any, ...]:
    attempts = [
        [a.started_at, a.ended_at, int(a.end), a.exit_code, a.term_signal, a.detail, a.cpu_seconds, a.peak_rss_bytes]
        for a in task.attempts
    ]
    return sequence, task.index, int(task.state), task.completed_at, json.dumps(attempts)


def _read_task(index: int, state: int, completed_at: float, attempts: str) -> TaskRecord:
    records = [AttemptRecord(a[0], a[1], End(a[2]), *a[3:]) for a in json.loads(attempts)]
    return TaskRecord(index, TaskState(state), records, completed_at)


def _read_execution(sequence: int, name: str, spec: bytes, state_text: str) -> ExecutionRecord:
    state = json.loads(state_text)
    counts, phase = Counts(**state.pop("counts")), Phase(state.pop("phase"))
    parsed: ExecutionName = parse_execution(name, "name")
    record = ExecutionRecord(parsed, sequence, Execution.FromString(spec), phase=phase, counts=counts, **state)
    if record.is_finished:
        record.finished.set()
    return record
