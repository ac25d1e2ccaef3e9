"""State in SQLite: what went in comes out, and one folder has one owner."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from google.cloud import run_v2

from jobs_emulator.names import ExecutionName
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
from jobs_emulator.store import Store, StoreError

NAME = ExecutionName("acme", "europe-west1", "report", "report-x7k2p")


def make_job() -> JobRecord:
    message = run_v2.Job.pb(run_v2.Job(name=str(NAME.parent), labels={"a": "b"}, template={"task_count": 3}))
    return JobRecord(NAME.parent, message, execution_count=5)


def make_execution() -> ExecutionRecord:
    record = ExecutionRecord(NAME, 7, run_v2.Execution.pb(run_v2.Execution(name=str(NAME), task_count=3)), 100.5)
    record.phase, record.started_at, record.retried_at, record.retried_attempt = Phase.RUNNING, 101.0, 103.0, 1
    record.counts = Counts(running=1, succeeded=1, retried=1)
    lost = AttemptRecord(102.0, 103.0, End.EXITED, exit_code=3, detail="d", cpu_seconds=0.5, peak_rss_bytes=1000)
    record.tasks = {
        0: TaskRecord(0, TaskState.SUCCEEDED, [AttemptRecord(101.0, 102.0, End.EXITED)], 102.0),
        2: TaskRecord(2, TaskState.RUNNING, [lost, AttemptRecord(103.0)]),
    }
    return record


def test_jobs_executions_tasks_and_attempts_come_back_as_they_were(tmp_path: Path) -> None:
    job, execution = make_job(), make_execution()
    store = Store(tmp_path)
    store.write_job(job)
    store.write_progress([(execution, {0, 2})])
    store.close()

    reopened = Store(tmp_path)
    [found] = reopened.read_jobs()
    reopened.close()

    assert (found.name, found.message, found.execution_count) == (job.name, job.message, 5)
    restored = found.executions[NAME.execution]
    for field in ("name", "sequence", "spec", "created_at", "phase", "started_at", "retried_at", "counts", "tasks"):
        assert getattr(restored, field) == getattr(execution, field)
    assert not restored.finished.is_set()


def test_progress_that_is_written_again_replaces_what_was_there(tmp_path: Path) -> None:
    execution = make_execution()
    store = Store(tmp_path)
    store.write_job(make_job())
    store.write_progress([(execution, {0, 2})])
    execution.phase, execution.tasks[2].state = Phase.FAILED, TaskState.FAILED
    store.write_progress([(execution, {2})])
    [job] = store.read_jobs()
    store.close()
    restored = job.executions[NAME.execution]
    assert (restored.phase, restored.tasks[2].state, len(restored.tasks)) == (Phase.FAILED, TaskState.FAILED, 2)
    assert restored.finished.is_set()


def test_operations_come_back_with_the_execution_they_follow(tmp_path: Path) -> None:
    execution = make_execution()
    done = OperationRecord("op/1", 1, OperationKind.DONE, b"m", b"r", None, 5, "not there", "")
    run = OperationRecord("op/2", 2, OperationKind.RUN, execution=execution)
    store = Store(tmp_path)
    store.write_operation(done)
    store.write_operation(run)
    assert store.read_operations({str(NAME): execution}) == [done, run]
    assert store.read_operations({}) == [done]
    store.delete_operation(done)
    assert store.read_operations({str(NAME): execution}) == [run]
    store.close()


def test_a_deleted_job_takes_its_executions_along(tmp_path: Path) -> None:
    job, execution = make_job(), make_execution()
    job.executions[NAME.execution] = execution
    store = Store(tmp_path)
    store.write_job(job)
    store.write_progress([(execution, {0})])
    store.delete_job(job)
    assert store.read_jobs() == []
    store.close()


def test_a_folder_has_one_emulator_at_a_time(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(StoreError, match="Another emulator uses"):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()


def test_state_of_another_format_is_refused_by_name(tmp_path: Path) -> None:
    Store(tmp_path).close()
    database = sqlite3.connect(tmp_path / "state.sqlite3")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreError, match="format 99"):
        Store(tmp_path)


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite3").write_bytes(b"no database at all, but long enough to look like something" * 20)
    with pytest.raises(StoreError, match=r"state\.sqlite3"):
        Store(tmp_path)
