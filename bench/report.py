"""Writes docs/benchmarks.md and its plot from the samples kept in `bench/results`."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from bench.measure import BENCH, CHECKOUT, run_peer

DOCS = CHECKOUT / "docs"
Samples = dict[str, list[dict[str, float]]]
LIMITS = {"export_postgres": 1.5, "export_mariadb": 1.0, "task": 1.3, "load_postgres": 1.3, "load_mariadb": 1.3}
WIDE_MB = 700
ROWS_MB = 500


def write_report(*, plot: bool = True) -> str:
    """Write the document and return it; scenarios without results are left out, saying so."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted((BENCH / "results").glob("*.json"))}
    text = (
        "\n".join([*_head(found), *_exports(found), *_memory(found), *_task(found), *_loads(found), *_naive(found)])
        + "\n"
    )
    (DOCS / "benchmarks.md").write_text(text, encoding="utf-8")
    if plot:
        run_peer("plot.py", str(BENCH / "results"), str(DOCS / "benchmarks.svg"))
    return text


def _head(found: dict[str, Any]) -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield "Written by `make bench`; every sample is kept in `bench/results`. Contenders take turns, round by round, on one machine that"
    yield "also runs the database; a ratio is the median of the rounds' ratios. Wall times are of whole processes, imports included, unless"
    yield "said otherwise. The other tools come from a locked environment of their own, `bench/uv.lock`."
    yield ""
    cores = os.cpu_count()
    busy = max((result["load_average"] for result in found.values()), default=0.0)
    yield f"This run: {cores} cores, Linux {platform.release().split('-')[0]}, Python {platform.python_version()}; load average up to {busy:.0f}."
    if busy > 3 * (cores or 1):
        yield "So much else ran on these cores that the seconds say little; ratios of rounds suffer less, but they suffer."
    yield ""
    yield "![The ratios, and what a shop feels](benchmarks.svg)"


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    yield ""
    yield _row(head)
    yield "|" + "---|" * len(head)
    yield from map(_row, rows)


def _kept(value: float, limit: float) -> str:
    return f"{value:.2f} (aim ≤ {limit}: {'kept' if value <= limit else '**missed**'})"


def _whole(value: float, limit: float) -> str:
    return f"{value:.0f} (aim ≤ {limit}: {'kept' if value <= limit else '**missed**'})"


def _seconds(samples: Sequence[dict[str, float]]) -> str:
    each = [sample["seconds"] for sample in samples]
    return f"{statistics.median(each):.2f} ({min(each):.2f} – {max(each):.2f})"


def _median(samples: Sequence[dict[str, float]], name: str) -> float:
    return statistics.median(sample[name] for sample in samples)


def _exports(found: dict[str, Any]) -> Iterator[str]:
    for name, title in (("export_postgres", "PostgreSQL"), ("export_mariadb", "MariaDB")):
        if name not in found:
            continue
        result = found[name]
        yield from ("", f"## Export, {result['rows']:,} rows into 32 shards, {title}")
        rows = [
            (tool, _seconds(samples), f"{_median(samples, 'cpu_seconds'):.1f}", f"{_median(samples, 'rss_mb'):.0f}")
            for tool, samples in result["samples"].items()
        ]
        yield from _table(("tool", "wall s: median (least – most)", "client CPU s", "peak RSS MB"), rows)
        others = [tool for tool in result["samples"] if tool != "penstock"]
        yield ""
        yield f"Penstock / {others[0]}: {_kept(result['ratio'], LIMITS[name])}. Penstock also counts and proves what it reads."


def _memory(found: dict[str, Any]) -> Iterator[str]:
    if "export_sizes" in found:
        yield from ("", "## Export, how time and memory grow (PostgreSQL, 32 shards)")
        sizes = sorted((int(rows), sample) for rows, sample in found["export_sizes"]["samples"].items())
        yield from _table(
            ("rows", "wall s", "s per million rows", "peak RSS MB"),
            [
                (f"{rows:,}", f"{s['seconds']:.1f}", f"{s['seconds'] / rows * 1e6:.2f}", f"{s['rss_mb']:.0f}")
                for rows, s in sizes
            ],
        )
        most = max(sample["rss_mb"] for _, sample in sizes)
        yield from (
            "",
            f"Peak RSS MB: {_whole(most, ROWS_MB)}. One run each; 50 million rows are measured by `make bench ARGS=--full`.",
        )
    if "export_wide" in found:
        sample = found["export_wide"]["samples"]["penstock"][0]
        yield from ("", f"## Export, {found['export_wide']['rows']:,} rows of 500 bytes into 64 shards")
        yield from ("", f"{sample['seconds']:.1f} s, peak RSS MB: {_whole(sample['rss_mb'], WIDE_MB)}.")


def _larger(sizes: Sequence[tuple[int, Any]]) -> str:
    if sizes[-1][0] >= 50_000_000:
        return "what a million rows cost at the end is the last row's."
    return "20 and 50 million rows, which `make bench ARGS=--full` measures, were not measured in this run."


def _task(found: dict[str, Any]) -> Iterator[str]:
    if "task" not in found:
        return
    yield from ("", "## A task over a shard of 1,000,000 rows, against bare polars on the same file (imports apart)")
    rows = []
    for users, result in found["task"]["users"].items():
        ours, bare = (
            statistics.median(s["seconds"] for s in result["samples"][name]) * 1000
            for name in ("penstock", "bare polars")
        )
        rows.append((f"{int(users):,}", f"{ours:.0f}", f"{bare:.0f}", _kept(result["ratio"], LIMITS["task"])))
    yield from _table(("users in the shard", "task ms", "bare polars ms", "ratio"), rows)
    yield ""
    yield "Bare polars scans, groups, sorts and writes. The task also copies the shard out of the staging, proves its bytes (CRC32C, SHA-256),"
    yield "rows, sums and days, proves the output, and writes part and receipt durably. What it adds is fixed by the rows read, so it"
    yield "weighs most where little is computed: at few users per shard."


def _loads(found: dict[str, Any]) -> Iterator[str]:
    for name, title in (("load_postgres", "PostgreSQL"), ("load_mariadb", "MariaDB")):
        if name not in found:
            continue
        result = found[name]
        yield from ("", f"## Load, {result['rows']:,} rows into an empty day, {title}")
        rows = [
            (tool, _seconds(samples), f"{_median(samples, 'rss_mb'):.0f}")
            for tool, samples in result["samples"].items()
        ]
        if "again" in result:
            rows.append(("penstock, the same run again", _seconds(result["again"]["penstock"]), "–"))
        yield from _table(("tool", "wall s: median (least – most)", "peak RSS MB"), rows)
        yield from (
            "",
            f"Penstock / bare: {_kept(result['ratio'], LIMITS[name])}. The bare one proves nothing and keeps no ledger.",
        )


def _naive(found: dict[str, Any]) -> Iterator[str]:
    for name, title in (("naive_postgres", "PostgreSQL"), ("naive_mariadb", "MariaDB")):
        if name not in found:
            continue
        result = found[name]
        yield from (
            "",
            f"## What a shop feels: {result['tps']} transactions/s beside, {result['rows']:,} rows, {title}",
        )
        rows = []
        for beside, rounds in result["beside"].items():
            felt = [_percentiles(each["latencies_ms"]) for each in rounds]
            took = statistics.median(each["seconds"] for each in rounds)
            middle, high = (statistics.median(values) for values in zip(*felt, strict=True))
            rows.append((beside, f"{took:.1f}", f"{middle:.1f}", f"{high:.1f}"))
        yield from _table(("beside", "it took s", "p50 ms", "p99 ms"), rows)
        yield from ("", "Open loop: latency counts from when a transaction was due. Client and server share all cores.")


def _percentiles(latencies: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(latencies) or [float("nan")]
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
