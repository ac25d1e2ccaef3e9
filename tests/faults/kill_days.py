"""Brings days to done while whoever works on them is killed again and again: `python -m tests.faults.kill_days`.

One process imports everything once. Each chain is its fork, and each job a fork of the chain's that runs the job's own
`main`: real processes, ended by SIGKILL at random moments. Victims are the chain with its job, the job alone (the chain
has it tried again), or the chain alone: then its job goes on, and is waited for or raced by the next chain. There is no
lease: so nothing but the guards of staging and target keeps two chains apart.

This process runs nothing of polars or a driver that has threads: threads do not survive a fork.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tests.faults.small_day import DAY, SHARDS, Revenue, SmallDay, SmallShop, revenue_of, small_pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from chain.jobs.port import ExecutionState, JobName, Overrides, StartedExecution
    from staging.config.pipeline import Pipeline
    from staging.process.cancel import Cancel

KILLS_A_DAY = 30
_DAYS_A_STORE = 20
_MOST_CHAINS = 60
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: the jobs of a chain that died become our children
_MODULES = (
    "chain.day.run",
    "exporter.__main__",
    "exporter.export_day",
    "exporter.mysql.source",
    "exporter.open_source",
    "exporter.postgres.source",
    "exporter.sqlite.source",
    "loader.__main__",
    "loader.load_day",
    "loader.mysql.database",
    "loader.postgres.database",
    "loader.sqlite.database",
    "loader.verify.day",
    "processor.__main__",
    "processor.revenue",
    "processor.run_task",
    "staging.folder.store",
)


@dataclass
class Tally:
    """What was killed, and how far the day was then."""

    days: int = 0
    chains: int = 0
    killed: Counter[str] = field(default_factory=Counter)
    when: Counter[str] = field(default_factory=Counter)


class KilledDays:
    """Days of one shop in one database, on one folder after another."""

    def __init__(self, url: str, folder: Path) -> None:
        self.shop, self.folder, self.tally = SmallShop(url), folder, Tally()
        self.staging = folder / "staging"
        self.config = folder / "daily_revenue.toml"
        self._lasts_seconds = 0.5
        self.shop.fill()

    def do(self, seed: int) -> None:
        """Bring a new version of the day to done; AssertionError where it is ever anything but old or new."""
        rng = random.Random(seed)
        if self.tally.days % _DAYS_A_STORE == 0:
            self._begin_store(rng)
        old, new = self.shop.revenue(), revenue_of(seed)
        self.shop.change(seed)
        before, kills = self._runs(), 0
        for _ in range(_MOST_CHAINS):
            wish = "resume" if self._runs() != before else "fresh export"
            spares = kills >= KILLS_A_DAY
            began = time.monotonic()
            chain, kills = self._work(wish, rng, kills, before)
            self._check(seed, old, new)
            if chain == 0 and self.shop.revenue() == new:
                if spares:
                    self._lasts_seconds += (time.monotonic() - began - self._lasts_seconds) / 10
                break
            assert chain in (0, 20, 30, None), f"seed {seed}: the chain ended with {chain}: {self._said()}"
        self._reap_all()
        assert self.shop.revenue() == new, f"seed {seed} made a wrong day"
        assert self.shop.do("SELECT run_id FROM penstock_ledger") == [(max(self._runs()),)]
        self.tally.days += 1
        if self.tally.days % 10 == 0:
            pid = self._fork(lambda: _verify(self.shop, self.staging))
            assert os.waitpid(pid, 0)[1] == 0, f"seed {seed}: {self._said()}"

    def _work(self, wish: str, rng: random.Random, kills: int, before: set[str]) -> tuple[int | None, int]:
        """Start a chain, and kill; return its exit code, None where it was killed, and how many are killed now."""
        chain = self._fork(lambda: _chain(self.config, wish))
        self.tally.chains += 1
        while kills < KILLS_A_DAY:
            if (code := _wait(chain, rng.expovariate(1 / (0.15 * self._lasts_seconds)))) is not None:
                return code, kills
            victim = rng.choice(("all", "job", "chain"))
            when = self._how_far(before)
            if when == "loaded" and rng.random() < 0.7:
                break  # what is left is to ask the ledger
            jobs = _children(chain)
            if victim == "job":
                if not jobs:
                    continue
                try:
                    os.kill(rng.choice(jobs), signal.SIGKILL)
                except ProcessLookupError:
                    continue
            else:
                with suppress(ProcessLookupError):
                    (os.killpg if victim == "all" else os.kill)(chain, signal.SIGKILL)
            kills += 1
            self.tally.killed[victim] += 1
            self.tally.when[when] += 1
            if victim != "job":
                os.waitpid(chain, 0)
                if rng.random() < 0.5:
                    self._reap_all()
                return None, kills
        return _wait(chain, 120.0), kills

    def _check(self, seed: int, old: Revenue, new: Revenue) -> None:
        assert self.shop.revenue() in (old, new), f"seed {seed}: neither the old day nor the new one"

    def _begin_store(self, rng: random.Random) -> None:
        self._reap_all()
        shutil.rmtree(self.staging, ignore_errors=True)
        self.staging.mkdir()
        is_server = self.shop.dialect != "sqlite"
        read = rng.choice(("snapshot", "slices")) if is_server else "auto"
        self.config.write_text(
            f'name = "daily_revenue"\n[source]\nurl = \'{self.shop.url}\'\ntable = "purchases"\nkey = "user_id"\n'
            'time = "purchased_at"\ncolumns = ["amount"]\ntimezone = "Europe/Berlin"\n'
            f'[staging]\nurl = "{self.staging.as_uri()}"\n[export]\nshards = {SHARDS}\nread = "{read}"\n'
            '[pacing]\ngentle = "replica"\nnice = 0\n[process]\ntasks = 1\n'
            f"[target]\nurl = '{self.shop.url}'\ntable = \"revenue\"\n",
            encoding="utf-8",
        )
        pid = self._fork(lambda: _init(self.shop, self.staging))
        assert os.waitpid(pid, 0)[1] == 0, self._said()
        self.shop.do("DELETE FROM revenue", "DELETE FROM penstock_ledger")

    def _how_far(self, before: set[str]) -> str:
        runs = self._runs() - before
        if not runs:
            return "before the run"
        run = self.staging / "daily_revenue" / f"day={DAY}" / f"run={max(runs)}"
        names = [path.name for path in run.iterdir()] if run.exists() else []
        if "loaded.json" in names:
            return "loaded"
        receipts = sum(name.startswith("receipt-") for name in names)
        if receipts:
            return "processed" if receipts == SHARDS else "half processed"
        return "exported" if "export.json" in names else "before the export"

    def _runs(self) -> set[str]:
        return {path.parent.name.removeprefix("run=") for path in self.staging.rglob("run=*/run.json")}

    def _fork(self, body: Callable[[], object]) -> int:
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            said = os.open(self.folder / "said", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
            os.dup2(said, 1)
            os.dup2(said, 2)
            try:
                body()
                os._exit(0)
            except BaseException:  # noqa: BLE001 - the end of a process
                import traceback

                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)
        return pid

    def _said(self) -> str:
        return (self.folder / "said").read_text(encoding="utf-8", errors="replace")[-4000:]

    def _reap_all(self) -> None:
        """Wait until no child is left, orphaned jobs included."""
        with suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)


class ForkedJobs:
    """A `JobsApi` whose executions are forks; a task that is killed, or may be tried again, is."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._attempts: dict[str, tuple[JobName, Overrides, int, int]] = {}

    def start_execution(self, job: JobName, run_id: str, overrides: Overrides) -> StartedExecution:
        from chain.jobs.port import StartedExecution

        name = f"{job}-{len(self._attempts)}"
        self._attempts[name] = (job, overrides, _start_job(self._pipeline, job, overrides, 0), 0)
        return StartedExecution(name)

    def find_execution(self, job: JobName, run_id: str) -> None:
        return None

    def get_execution(self, execution: str) -> ExecutionState:
        from chain.jobs.port import ExecutionState, TaskFailure
        from staging.errors import PERMANENT_EXIT_CODES

        job, overrides, pid, attempt = self._attempts[execution]
        code = _wait(pid, 0.05)
        if code is None:
            return ExecutionState(execution, 1, running=1)
        if code == 0:
            return ExecutionState(execution, 1, succeeded=1, finished=True)
        code = code if code >= 0 else 128 - code
        if code not in PERMANENT_EXIT_CODES and attempt < overrides.max_retries:
            again = _start_job(self._pipeline, job, overrides, attempt + 1)
            self._attempts[execution] = (job, overrides, again, attempt + 1)
            return ExecutionState(execution, 1, running=1)
        failure = TaskFailure(0, attempt, code, "", "")
        return ExecutionState(execution, 1, failed=1, finished=True, failures=(failure,))

    def cancel_execution(self, execution: str) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._attempts[execution][2], signal.SIGKILL)

    def rest(self, execution: str, elapsed_seconds: float, cancel: Cancel) -> None:
        cancel.wait(0.001)


def _start_job(pipeline: Pipeline, job: JobName, overrides: Overrides, attempt: int) -> int:
    from chain.jobs.settings import VARIABLE, write_pipeline

    pid = os.fork()
    if pid == 0:
        os.environ[VARIABLE] = write_pipeline(pipeline, job)
        task = {"INDEX": "0", "COUNT": "1", "ATTEMPT": str(attempt)}
        os.environ |= {f"CLOUD_RUN_TASK_{name}": value for name, value in task.items()}
        sys.argv = [job, *overrides.arguments]
        try:
            importlib.import_module(f"{job}.__main__").main()
        except SystemExit as ended:
            os._exit(int(ended.code or 0))
        finally:
            os._exit(1)
    return pid


def _chain(config: Path, wish: str) -> NoReturn:
    from chain.day.day_run import DayRun
    from chain.day.run import resume_day, run_day
    from staging.config.file import load_pipeline
    from staging.open_store import open_store
    from staging.process.cancel import Cancel
    from staging.process.entry import end_process

    def bring() -> None:
        pipeline = load_pipeline(config, environ=os.environ, overrides=())
        with open_store(pipeline.staging.url) as store:
            run = DayRun(
                pipeline=pipeline,
                config=config,
                day=DAY,
                store=store,
                jobs=ForkedJobs(pipeline),
                cancel=Cancel(),
                watch=lambda *_: None,
                say=lambda _: None,
                now=lambda: datetime.now(UTC),
            )
            if wish == "resume":
                resume_day(run)
            else:
                run_day(run, fresh_export=True)

    os._exit(end_process(bring))


def _init(shop: SmallShop, staging: Path) -> None:
    _small_day(shop, staging).init()


def _verify(shop: SmallShop, staging: Path) -> None:
    verified = _small_day(shop, staging).verify()
    assert verified.ok, verified


def _small_day(shop: SmallShop, staging: Path) -> SmallDay:
    from staging.folder.store import open_folder_store

    pipeline = small_pipeline(shop, staging.as_uri())
    return SmallDay(shop, pipeline, open_folder_store(staging.as_uri(), make=True), staging.parent / "scratch")


def _wait(pid: int, seconds: float) -> int | None:
    """Return its exit code, minus the signal that ended it; None where it still runs after so long."""
    deadline = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if (left := deadline - time.monotonic()) <= 0:
            return None
        time.sleep(min(left, 0.002))


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def main(url: str, folder: str, seeds: range, kills: int) -> None:
    """Do days until so many were killed, or the seeds are over; print the tally as JSON now and then."""
    for module in _MODULES:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # the forks share these objects
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    days = KilledDays(url, Path(folder))
    for seed in seeds:
        days.do(seed)
        done = days.tally.killed.total() >= kills
        if days.tally.days % 20 == 0 or done or seed == seeds[-1]:
            print(json.dumps({"first": seeds.start, "last": seed, **vars(days.tally)}), flush=True)
        if done:
            return


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], range(int(sys.argv[3]), int(sys.argv[4])), int(sys.argv[5]))
