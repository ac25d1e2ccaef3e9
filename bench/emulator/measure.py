"""The measurements, each against an emulator that is a process of its own, reached by Google's client over gRPC."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from google.api_core.retry import Retry
from google.cloud import run_v2

import jobs_emulator

PARENT = "projects/bench/locations/here"
POLL = Retry(predicate=lambda _: True, initial=0.1, maximum=0.1, timeout=600)
TABLE = """
[images.noop]
entrypoint = ["/bin/true"]
[images.burn]
entrypoint = ["/bin/sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]
[images.clock]
entrypoint = ["/bin/date", "+%s.%N"]
"""


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds: the median, the 99th percentile and the worst."""

    median_ms: float
    p99_ms: float
    worst_ms: float

    @classmethod
    def of(cls, seconds: list[float]) -> Spread:
        ordered = sorted(value * 1000 for value in seconds)
        return cls(statistics.median(ordered), ordered[int(len(ordered) * 0.99)], ordered[-1])


@dataclass(frozen=True, slots=True)
class Crowd:
    """One execution of many tasks: how long, how much memory, and what lists took meanwhile."""

    seconds: float
    idle_rss_mib: float
    peak_rss_mib: float
    list_tasks: Spread
    list_executions: Spread
    calls: int


@contextmanager
def emulator(*options: str) -> Iterator[tuple[str, int]]:
    """Address and process id of a running emulator."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "images.toml"
        table.write_text(TABLE)
        command = [sys.executable, "-m", "jobs_emulator", "serve", "--images", str(table), "--port", "0", "--quiet"]
        with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            match = re.search(r"127\.0\.0\.1:\d+", process.stderr.readline())
            assert match is not None
            yield match[0], process.pid
            process.terminate()


def bare_rate(tasks: int, slots: int) -> float:
    """No-op processes a second from a pool that does nothing else: spawn, wait, spawn the next."""
    started = live = 0
    begin = time.perf_counter()
    while started < tasks or live:
        while live < slots and started < tasks:
            os.posix_spawn("/bin/true", ["/bin/true"], {}, setsid=True)
            started, live = started + 1, live + 1
        os.waitpid(-1, 0)
        live -= 1
    return tasks / (time.perf_counter() - begin)


def emulator_rate(tasks: int, *options: str) -> float:
    """No-op tasks a second of one execution, by the execution's own times."""
    with emulator(*options) as (address, _), jobs_emulator.jobs_client(address) as jobs:
        execution = _run(jobs, "noop", tasks)
        assert execution.succeeded_count == tasks
        seconds: float = (execution.completion_time - execution.start_time).total_seconds()
        return tasks / seconds


def crowd(tasks: int, *options: str, image: str = "noop") -> Crowd:
    """Many tasks in one execution, while a client lists without a pause."""
    with (
        emulator(*options) as (address, pid),
        jobs_emulator.jobs_client(address) as jobs,
        jobs_emulator.executions_client(address) as executions,
        jobs_emulator.tasks_client(address) as tasks_client,
    ):
        idle_rss_mib = _status_mib(pid, "VmRSS")
        _create(jobs, image, tasks)
        operation = jobs.run_job(name=f"{PARENT}/jobs/{image}")
        name = operation.metadata.name
        list_tasks: list[float] = []
        list_executions: list[float] = []
        while not operation.done():
            token = ""
            for _ in range(20):
                begin = time.perf_counter()
                page = next(tasks_client.list_tasks({"parent": name, "page_size": 100, "page_token": token}).pages)
                list_tasks.append(time.perf_counter() - begin)
                token = page.next_page_token
                begin = time.perf_counter()
                next(executions.list_executions({"parent": f"{PARENT}/jobs/{image}"}).pages)
                list_executions.append(time.perf_counter() - begin)
        execution = executions.get_execution(name=name)
        assert execution.succeeded_count == tasks
        return Crowd(
            (execution.completion_time - execution.start_time).total_seconds(),
            idle_rss_mib,
            _status_mib(pid, "VmHWM"),
            Spread.of(list_tasks),
            Spread.of(list_executions),
            len(list_tasks) + len(list_executions),
        )


def first_instruction(rounds: int) -> tuple[Spread, Spread]:
    """From the request to the first instruction of the program: by a bare spawn, and by RunJob."""
    bare = []
    for _ in range(rounds):
        begin = time.time()
        told = subprocess.run(["/bin/date", "+%s.%N"], capture_output=True, text=True, check=True).stdout
        bare.append(float(told) - begin)
    told_at: list[float] = []
    printed = threading.Event()

    def take(entry: dict[str, object]) -> None:
        if str(entry["logName"]).endswith("stdout"):
            told_at.append(float(str(entry["textPayload"])))
            printed.set()

    by_run_job = []
    with (
        jobs_emulator.start({"clock": ["/bin/date", "+%s.%N"]}, entries=take) as here,
        jobs_emulator.jobs_client(here.address) as jobs,
    ):
        _create(jobs, "clock", 1)
        for _ in range(rounds):
            printed.clear()
            begin = time.time()
            jobs.run_job(name=f"{PARENT}/jobs/clock")
            assert printed.wait(10)
            by_run_job.append(told_at[-1] - begin)
    return Spread.of(bare), Spread.of(by_run_job)


def _create(jobs: run_v2.JobsClient, image: str, tasks: int) -> None:
    template = {"containers": [{"image": image}], "max_retries": 0}
    job = run_v2.Job(template={"task_count": tasks, "template": template})
    jobs.create_job(parent=PARENT, job_id=image, job=job).result()


def _run(jobs: run_v2.JobsClient, image: str, tasks: int) -> run_v2.Execution:
    _create(jobs, image, tasks)
    execution: run_v2.Execution = jobs.run_job(name=f"{PARENT}/jobs/{image}").result(polling=POLL)
    return execution


def _status_mib(pid: int, field: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(field)
