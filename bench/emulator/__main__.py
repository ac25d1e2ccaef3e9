"""`python -m bench.emulator`: measures and writes docs/emulator_benchmarks.md (or prints it with --print)."""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path

from bench.emulator.measure import Spread, bare_rate, crowd, emulator_rate, first_instruction

ROUNDS = 5
TASKS = 3000
CROWD = 10_000
BURNERS = 400
STARTS = 200
RATE_LEAST, RATIO_LEAST, RSS_MOST_MIB, LIST_MOST_MS, START_MOST_MS = 500, 0.55, 200, 50, 20
MARK = "<!-- What follows is kept by hand. -->"
REPORT = Path(__file__).parents[2] / "docs" / "emulator_benchmarks.md"


def main() -> int:
    """Measure, write, and return 1 when a promise is not kept."""
    slots, load, system = os.cpu_count() or 1, os.getloadavg()[0], platform.release().split("-")[0]
    bare, plain, kept = [], [], []
    for _ in range(ROUNDS):  # in turn, so that whatever else the machine does falls on all three
        bare.append(bare_rate(TASKS, slots))
        plain.append(emulator_rate(TASKS))
        with tempfile.TemporaryDirectory() as data:
            kept.append(emulator_rate(TASKS, "--data", data))
    with tempfile.TemporaryDirectory() as data:
        many, many_kept = crowd(CROWD), crowd(CROWD, "--data", data)
        burning = crowd(BURNERS, "--slots", str(2 * slots), image="burn")
    crowds = (many, many_kept, burning)
    bare_start, run_start = first_instruction(STARTS)

    ratio = statistics.median(p / b for p, b in zip(plain, bare, strict=True))
    ratio_kept = statistics.median(k / b for k, b in zip(kept, bare, strict=True))
    p99s = [spread.p99_ms for each in crowds for spread in (each.list_tasks, each.list_executions)]
    over_ms = run_start.median_ms - bare_start.median_ms
    promises = [
        (f"≥ {RATE_LEAST} no-op tasks/s, or ≥ {RATIO_LEAST} of the bare pool",
         f"{statistics.median(plain):.0f}/s, {ratio:.2f}",
         statistics.median(plain) >= RATE_LEAST or ratio >= RATIO_LEAST),
        (f"{CROWD:,} tasks in one execution: ≤ {RSS_MOST_MIB} MiB", f"{many.peak_rss_mib:.0f} MiB",
         max(many.peak_rss_mib, many_kept.peak_rss_mib) <= RSS_MOST_MIB),
        (f"lists meanwhile: p99 ≤ {LIST_MOST_MS} ms",
         f"{max(p99s):.1f} ms", max(p99s) <= LIST_MOST_MS),
        (f"from RunJob to the first instruction: ≤ {START_MOST_MS} ms over a bare spawn", f"{over_ms:.1f} ms",
         over_ms <= START_MOST_MS),
    ]  # fmt: skip
    lines = [
        "# What the emulator costs",
        "",
        "Written by `python -m bench.emulator`. The emulator is a process of its own (for the last table a thread),",
        "reached by `google-cloud-run` over gRPC. The bare pool is a loop of `posix_spawn` and `waitpid` over",
        "`/bin/true` that does nothing else, with as many slots.",
        "",
        f"{slots} cores, load average {load:.1f} before, Linux {system}, Python {platform.python_version()}.",
        "",
        "| promise | measured | kept |",
        "|---|---|---|",
        *(f"| {what} | {found} | {'yes' if is_kept else '**no**'} |" for what, found, is_kept in promises),
        "",
        f"## No-op tasks a second ({TASKS:,} tasks, {slots} slots, {ROUNDS} rounds in turn)",
        "",
        "| | median | of the bare pool | rounds |",
        "|---|---|---|---|",
        f"| bare pool | {statistics.median(bare):.0f} | 1 | {_rounds(bare)} |",
        f"| emulator | {statistics.median(plain):.0f} | {ratio:.2f} | {_rounds(plain)} |",
        f"| emulator, state kept (`--data`) | {statistics.median(kept):.0f} | {ratio_kept:.2f} | {_rounds(kept)} |",
        "",
        f"## {CROWD:,} no-op tasks in one execution, listed without a pause meanwhile",
        "",
        f"The last row: {BURNERS} tasks that only compute, twice as many at once as there are processors.",
        "",
        "| | seconds | memory before, at most (MiB) | list 100 tasks: median, p99, worst (ms) | list executions (ms) |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {c.seconds:.1f} | {c.idle_rss_mib:.0f}, {c.peak_rss_mib:.0f} | {_spread(c.list_tasks)} |"
            f" {_spread(c.list_executions)} |"
            for name, c in zip(("in memory", "`--data`", "computing"), crowds, strict=True)
        ),
        "",
        f"## To the first instruction of the program ({STARTS} starts of `date`)",
        "",
        "| | median, p99, worst (ms) |",
        "|---|---|",
        f"| bare `subprocess.run` | {_spread(bare_start)} |",
        f"| RunJob over gRPC, from the call | {_spread(run_start)} |",
    ]
    text = "\n".join(lines) + "\n" + _kept_by_hand()
    if "--print" in sys.argv:
        print(text)
    else:
        REPORT.write_text(text, encoding="utf-8")
    return 0 if all(is_kept for _, _, is_kept in promises) else 1


def _kept_by_hand() -> str:
    """The end of the existing report: what a person added to it."""
    before, mark, after = REPORT.read_text(encoding="utf-8").partition(MARK) if REPORT.exists() else ("", "", "")
    return f"\n{mark}{after}" if before else ""


def _rounds(rates: list[float]) -> str:
    return ", ".join(f"{rate:.0f}" for rate in rates)


def _spread(spread: Spread) -> str:
    return f"{spread.median_ms:.1f}, {spread.p99_ms:.1f}, {spread.worst_ms:.1f}"


if __name__ == "__main__":
    sys.exit(main())
