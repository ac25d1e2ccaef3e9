"""What a shop with a small steady load feels: alone, beside our export as it comes, beside one that spares nothing, and
beside 16 tasks that ask the database themselves.

Twice: all on the same cores; and, where there are two or more, server and shop on one core, who reads on the others.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from bench.measure import BENCH, PEERS, run_job
from bench.processes import pin
from bench.shops import BESIDE, DAY, add_tables_beside, fill, fill_postgres, write_pipeline
from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.postgres import PostgresServer

TPS = 60
TASKS = 16
USERS = 1_000_000
NOBODY, OURS, UNPACED = "nobody", "one Penstock export", "one Penstock export, flat out in one snapshot"
PROMISED = "one Penstock export that promises 1.25"
PROBE = "SELECT amount FROM purchases WHERE purchase_id = 7919"
THREE = "one Penstock export of three tables"
NAIVE = f"{TASKS} tasks with a range query each"
BUSY = "a process that computes and asks the database nothing"
_BUSY = "import polars as pl\nwhile True: pl.DataFrame({'a': range(200_000)}).sort('a', descending=True)"
_BUSY_SECONDS = 8
_WAIT_SECONDS = 3
_ALONE_SECONDS = 12
_LIMIT_SECONDS = 600


def felt(
    server: PostgresServer | MysqlFamilyServer, folder: Path, rows: int, rounds: int, *, pinned: bool
) -> dict[str, Any]:
    """Latencies (ms, from the due time) of the steady load in each of the four, `rounds` times in turn."""
    database = fill(server, rows, users=USERS)
    url, staging = server.url(database), folder / f"staging-felt-{server.name}"
    config = write_pipeline(folder / f"felt-{server.name}.toml", source=url, staging=staging, shards=TASKS)

    def export(name: str, **settings: str) -> None:
        run_job("exporter", config, DAY, f"felt-{name}", "--fresh-export", **settings)

    def many_tasks() -> None:
        step = USERS // TASKS
        script = [str(PEERS), str(BENCH / "peers" / "naive_task.py"), url]
        tasks = [
            subprocess.Popen([*script, str(n * step), str((n + 1) * step - 1)], stdout=subprocess.DEVNULL)
            for n in range(TASKS)
        ]
        codes = [task.wait() for task in tasks]
        if any(codes):
            raise RuntimeError("a naive task failed")

    beside: dict[str, Callable[[int], None]] = {
        NOBODY: lambda _: time.sleep(_ALONE_SECONDS),
        OURS: lambda n: export(f"ours-{n}"),
        UNPACED: lambda n: export(f"unpaced-{n}", PENSTOCK_EXPORT__READ="snapshot"),
        NAIVE: lambda _: many_tasks(),
    }
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in beside}
    with _cores(server, pinned=pinned) as load_cores:
        for number in range(rounds):
            for name, work in beside.items():
                found[name].append(latencies(url, partial(work, number), load_cores))
                print(f"  round {number} {name}: {found[name][-1]['seconds']} s", file=sys.stderr, flush=True)
    server.drop_database(database)
    shutil.rmtree(staging)
    return {"rows": rows, "tps": TPS, "pinned": pinned, "beside": found}


def felt_several(server: PostgresServer, folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """What the load feels of an export of three tables as it comes, and of one of their leading table alone."""
    database = fill_postgres(server, rows, users=USERS)
    add_tables_beside(server, database, rows)
    url, staging = server.url(database), folder / "staging-several"
    one = write_pipeline(folder / "one.toml", source=url, staging=staging, shards=TASKS)
    three = write_pipeline(folder / "three.toml", source=url, staging=staging, shards=TASKS, more=BESIDE)
    beside: dict[str, Callable[[int], Any]] = {
        NOBODY: lambda _: time.sleep(_ALONE_SECONDS),
        OURS: lambda n: run_job("exporter", one, DAY, f"one-{n}", "--fresh-export"),
        THREE: lambda n: run_job("exporter", three, DAY, f"three-{n}", "--fresh-export"),
    }
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in beside}
    for number in range(rounds):
        for name, work in beside.items():
            found[name].append(latencies(url, partial(work, number)))
            print(f"  round {number} {name}: {found[name][-1]['seconds']} s", file=sys.stderr, flush=True)
    server.drop_database(database)
    return {"rows": rows, "tps": TPS, "pinned": False, "beside": found}


def felt_promise(server: PostgresServer | MysqlFamilyServer, folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """What the load feels of an export as it comes, and of one that promises a p99 of one of the load's statements.

    With each of the latter's verdict on its promise.
    """
    database = fill(server, rows, users=USERS)
    url, staging = server.url(database), folder / f"staging-promise-{server.name}"
    config = write_pipeline(folder / f"promise-{server.name}.toml", source=url, staging=staging, shards=TASKS)
    promise = {"PENSTOCK_PACING__LATENCY_PROBE": PROBE, "PENSTOCK_PACING__MAX_P99_INCREASE": "1.25"}
    beside: dict[str, Callable[[int], Any]] = {
        NOBODY: lambda _: time.sleep(_ALONE_SECONDS),
        OURS: lambda n: run_job("exporter", config, DAY, f"ours-{n}", "--fresh-export"),
        PROMISED: lambda n: run_job("exporter", config, DAY, f"promised-{n}", "--fresh-export", **promise),
    }
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in beside}
    for number in range(rounds):
        for name, work in beside.items():
            found[name].append(latencies(url, partial(work, number)))
            print(f"  round {number} {name}: {found[name][-1]['seconds']} s", file=sys.stderr, flush=True)
    manifests = [json.loads(path.read_bytes()) for path in sorted(staging.rglob("manifest.json"))]
    probed = [each["reading"]["probed"] for each in manifests if each["reading"].get("probed") is not None]
    server.drop_database(database)
    shutil.rmtree(staging)
    return {"rows": rows, "tps": TPS, "pinned": False, "beside": found, "probed": probed}


@contextmanager
def _cores(server: PostgresServer | MysqlFamilyServer, *, pinned: bool) -> Iterator[set[int]]:
    """Give server and load a core of their own and the others to us, for a while."""
    everywhere = os.sched_getaffinity(0)
    if not pinned:
        yield everywhere
        return
    core = {min(everywhere)}
    pin(server, core)
    os.sched_setaffinity(0, everywhere - core)
    try:
        yield core
    finally:
        os.sched_setaffinity(0, everywhere)


def saturated(server: PostgresServer | MysqlFamilyServer, folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """Transactions a second of a load that never rests, alone and beside our export as it comes, both pinned.

    And beside a process that only computes, on our export's core: what the two cores take from each other anyway.
    """
    database = fill(server, rows, users=USERS)
    url, staging = server.url(database), folder / f"staging-saturated-{server.name}"
    config = write_pipeline(folder / f"saturated-{server.name}.toml", source=url, staging=staging, shards=TASKS)
    beside: dict[str, Callable[[int], Any]] = {
        NOBODY: lambda _: time.sleep(_ALONE_SECONDS),
        OURS: lambda n: run_job("exporter", config, DAY, f"saturated-{n}", "--fresh-export"),
        BUSY: lambda _: _compute(),
    }
    found: dict[str, list[float]] = {name: [] for name in beside}
    with _cores(server, pinned=True) as load_cores:
        for number in range(rounds):
            for name, work in beside.items():
                felt_then = latencies(url, partial(work, number), load_cores, tps=0)
                found[name].append(round(len(felt_then["latencies_ms"]) / felt_then["seconds"], 1))
                print(f"  round {number} {name}: {found[name][-1]} tps in {felt_then['seconds']} s", file=sys.stderr)
    server.drop_database(database)
    shutil.rmtree(staging)
    ratios = [statistics.median(b / a for a, b in zip(found[NOBODY], found[who], strict=True)) for who in (OURS, BUSY)]
    return {"rows": rows, "tps": found, "ratio": ratios[0], "ratio_busy": ratios[1]}


def _compute() -> None:
    process = subprocess.Popen([sys.executable, "-c", _BUSY], env={**os.environ, "POLARS_MAX_THREADS": "1"})
    time.sleep(_BUSY_SECONDS)
    process.kill()
    process.wait()


def latencies(
    url: str, work: Callable[[], object], load_cores: set[int] | None = None, *, tps: int = TPS
) -> dict[str, Any]:
    """Run the work beside the load; keep the latencies of transactions due while it ran, with the seconds since it
    began."""
    load = subprocess.Popen(
        [str(PEERS), str(BENCH / "peers" / "small_load.py"), url, str(_LIMIT_SECONDS), str(tps)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.sched_setaffinity(load.pid, load_cores or os.sched_getaffinity(0))
    time.sleep(_WAIT_SECONDS)
    began = time.monotonic()
    work()
    ended = time.monotonic()
    out, _ = load.communicate("stop\n")
    felt_then = [(due, latency) for due, latency in json.loads(out) if began <= due <= ended]
    return {
        "seconds": round(ended - began, 2),
        "due_seconds": [round(due - began, 3) for due, _ in felt_then],
        "latencies_ms": [round(latency, 2) for _, latency in felt_then],
    }
