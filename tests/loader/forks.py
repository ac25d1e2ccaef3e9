"""Loaders as real processes that start in milliseconds: one process imports everything, and each loader is its fork.

Run as a script it reads a load per line (JSON) from standard input and forks for it; each fork is a load_day that
prints what it says. It forks before polars has run anything: threads do not survive a fork.

Used by tests that kill, freeze and race loaders many times over.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

_PATIENCE_SECONDS = 30


@dataclass
class ForkedLoader:
    """One loader process. `lines` is what it said; `code` its exit code, None if it was killed or still runs."""

    pid: int
    lines: list[str] = field(default_factory=list)
    code: int | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    staging: threading.Event = field(default_factory=threading.Event)

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def wait(self) -> int | None:
        """Its exit code, when it ends."""
        assert self.ended.wait(_PATIENCE_SECONDS), f"the loader does not end; it said {self.lines}"
        return self.code

    def wait_gone(self) -> None:
        """Until nothing of a killed one is left."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.001)
        raise AssertionError(f"{self.pid} does not go")


class LoaderForks:
    """Starts loaders."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.loader.forks"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "POLARS_MAX_THREADS": "1"},
        )
        self._loaders: dict[int, ForkedLoader] = {}
        self._started = threading.Semaphore(0)
        self._last: ForkedLoader | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def start(self, pipeline: dict[str, Any], day: date, run_id: str) -> ForkedLoader:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"pipeline": pipeline, "day": day.isoformat(), "run_id": run_id}) + "\n")
        self._process.stdin.flush()
        assert self._started.acquire(timeout=_PATIENCE_SECONDS)
        assert self._last is not None
        return self._last

    def close(self) -> None:
        assert self._process.stdin is not None
        for loader in self._loaders.values():
            loader.signal(signal.SIGKILL)
        self._process.stdin.close()
        self._process.wait(_PATIENCE_SECONDS)
        self._reader.join(_PATIENCE_SECONDS)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                verb, pid_text, text = line.rstrip("\n").split(" ", 2)
                loader = self._loaders.setdefault(int(pid_text), ForkedLoader(int(pid_text)))
                if verb == "started":
                    self._last = loader
                    self._started.release()
                elif verb == "said":
                    loader.lines.append(text)
                    if text.startswith("Staging"):
                        loader.staging.set()
                else:
                    loader.code = int(text)
                    loader.ended.set()


@contextmanager
def loader_forks() -> Iterator[LoaderForks]:
    """Loaders that end with the body."""
    forks = LoaderForks()
    try:
        yield forks
    finally:
        forks.close()


def _main() -> None:
    for module in (
        "loader.load_day",
        "loader.mysql.database",
        "loader.postgres.database",
        "loader.sqlite.database",
        "staging.folder.store",
    ):
        importlib.import_module(module)  # once, before the forks
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _load(json.loads(line))
        _print("started", pid, "-")


def _load(order: dict[str, Any]) -> None:
    from loader.load_day import load_day
    from staging.config.pipeline import Pipeline
    from staging.open_store import open_store
    from staging.process.cancel import Cancel
    from staging.process.entry import end_process

    def run() -> None:
        pipeline = Pipeline.model_validate(order["pipeline"])
        with open_store(pipeline.staging.url) as store:
            load_day(
                pipeline,
                date.fromisoformat(order["day"]),
                order["run_id"],
                store=store,
                now=lambda: datetime.now(UTC),
                cancel=Cancel(),
                say=lambda text: _print("said", os.getpid(), text),
            )

    code = end_process(run)
    _print("ended", os.getpid(), str(code))
    os._exit(code)


def _print(verb: str, pid: int, text: str) -> None:
    os.write(1, f"{verb} {pid} {text}\n".encode())  # one write: lines of several processes do not mix


if __name__ == "__main__":
    _main()
