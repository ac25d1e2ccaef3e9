"""Runs a program; says how long it took, how much processor time and memory, by the kernel's own account."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

BENCH = Path(__file__).parent
CHECKOUT = BENCH.parent
PEERS = BENCH / ".venv" / "bin" / "python"
_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
"""With it a checkout compiles its modules at each start, which no installation does."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: wall seconds from start to end of the process, its processor seconds, its largest resident set."""

    seconds: float
    cpu_seconds: float
    rss_mb: float


def run(
    arguments: Sequence[str], environ: Mapping[str, str] | None = None, *, codes: Sequence[int] = (0,)
) -> tuple[Sample, str]:
    """Run to the end; RuntimeError with its output unless it ends with one of `codes`. Returns its stdout, too."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        inherited = {name: text for name, text in os.environ.items() if name != _NO_BYTECODE}
        began = time.perf_counter()
        process = subprocess.Popen(
            arguments,
            cwd=CHECKOUT,
            stdout=out,
            stderr=err,
            env={**inherited, **(environ or {})},
            start_new_session=True,  # as the chain starts jobs
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # Ctrl-C does not reach another session
            process.kill()
            raise
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, err):
            file.seek(0)
        if process.returncode not in codes:
            raise RuntimeError(f"{arguments[:4]} ended with {process.returncode}:\n{err.read().decode()[-4000:]}")
        printed = out.read().decode()
    return Sample(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), printed


def run_peer(script: str, *arguments: str) -> Sample:
    """Run one of `bench/peers` in the peers' own environment."""
    return run([str(PEERS), str(BENCH / "peers" / script), *arguments])[0]


def run_job(job: str, config: Path, day: str, run_id: str, *more: str, **environ: str) -> Sample:
    """Run one of Penstock's jobs as its command."""
    command = [sys.executable, "-m", job, "--config", str(config), "--day", day, "--run-id", run_id, *more]
    return run(command, environ)[0]


def alternate(rounds: int, contenders: Mapping[str, Callable[[int], Sample]]) -> dict[str, list[Sample]]:
    """Let each run once a round, in turn, so that whatever else the machine does falls on all of them."""
    samples: dict[str, list[Sample]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, contender in contenders.items():
            samples[name].append(contender(number))
            print(f"  round {number} {name}: {samples[name][-1].seconds:.2f} s", file=sys.stderr, flush=True)
    return samples


def median_seconds(samples: Sequence[Sample]) -> float:
    """The median of the wall times."""
    return statistics.median(sample.seconds for sample in samples)


def ratio(samples: Mapping[str, Sequence[Sample]], ours: str, other: str) -> float:
    """The median of the rounds' ratios: what slows both in a round cancels out."""
    pairs = zip(samples[ours], samples[other], strict=True)
    return statistics.median(a.seconds / b.seconds for a, b in pairs)


def save(name: str, result: Mapping[str, Any]) -> None:
    """Keep a scenario's raw samples, and how busy the machine was in its last five minutes."""
    path = BENCH / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**result, "load_average": os.getloadavg()[1]}, default=_plain) + "\n", encoding="utf-8")


def _plain(value: object) -> object:
    if isinstance(value, Sample):
        return {name: round(number, 4) for name, number in asdict(value).items()}
    raise TypeError(type(value))
