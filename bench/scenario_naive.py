"""What a shop with a small steady load feels: alone, beside one export, and beside 16 tasks that ask it themselves."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.measure import BENCH, PEERS, run_job
from bench.shops import DAY, fill_mariadb, fill_postgres, write_pipeline
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

TPS = 60
TASKS = 16
USERS = 1_000_000
_WAIT_SECONDS = 3


def naive(server: PostgresServer | MariadbServer, folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """Latencies (ms, from the due time) of the steady load in each of the three, `rounds` times in turn."""
    fill = fill_postgres if isinstance(server, PostgresServer) else fill_mariadb
    database = fill(server, rows, users=USERS)  # type: ignore[operator] # one of two functions of one shape
    url, staging = server.url(database), folder / f"staging-naive-{server.name}"
    config = write_pipeline(folder / f"naive-{server.name}.toml", source=url, staging=staging, shards=TASKS)

    def one_export(number: int) -> None:
        run_job("exporter", config, DAY, f"naive-{number}", "--fresh-export")

    def many_tasks(_: int) -> None:
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
        "nobody": lambda _: time.sleep(8),
        "one Penstock export": one_export,
        f"{TASKS} tasks with a range query each": many_tasks,
    }
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in beside}
    for number in range(rounds):
        for name, work in beside.items():
            found[name].append(_felt(url, lambda work=work, number=number: work(number)))  # type: ignore[misc]
    server.drop_database(database)
    shutil.rmtree(staging)
    return {"rows": rows, "tps": TPS, "beside": found}


def _felt(url: str, work: Callable[[], None]) -> dict[str, Any]:
    """Run the work beside the load; keep the latencies of what was due while it ran."""
    limit_seconds = 240
    load = subprocess.Popen(
        [str(PEERS), str(BENCH / "peers" / "small_load.py"), url, str(limit_seconds), str(TPS)],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    )
    time.sleep(_WAIT_SECONDS)
    began = time.monotonic()
    work()
    ended = time.monotonic()
    out, _ = load.communicate("stop\n")
    felt = [latency for due, latency in json.loads(out) if began <= due <= ended]
    return {"seconds": round(ended - began, 2), "latencies_ms": [round(each, 2) for each in felt]}
