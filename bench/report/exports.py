"""What exports take, beside other tools, and what they cost the server."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from bench.report.cells import busy, kept, median, seconds_of, table, whole
from bench.report.holds import told
from bench.scenarios.export import CONNECTORX, COPY, DLT, DUCKDB_MYSQL, DUCKDB_POSTGRES, QUICK, RIVET
from bench.scenarios.server import DEFAULT

SERVER_LIMITS = {
    "sealed_postgres": 1.5,
    "sealed_mariadb": 3.0,
    "sealed_mysql": 3.0,
    "ten_mariadb": 0.35,
    "ten_mysql": 0.35,
}
_FAMILY_LIMITS = {CONNECTORX: 1.0, DUCKDB_MYSQL: 0.45, DLT: 0.45, RIVET: 1.0, QUICK: 1.3}
EXPORT_LIMITS = {
    "export_postgres": {DUCKDB_POSTGRES: 1.15, CONNECTORX: 0.6, DLT: 0.45, RIVET: 1.0, COPY: 1.3},
    "export_many_postgres": {DUCKDB_POSTGRES: 1.05},
    "export_mariadb": _FAMILY_LIMITS,
    "export_mysql": _FAMILY_LIMITS,
    "export_small_mariadb": _FAMILY_LIMITS,
    "export_small_mysql": _FAMILY_LIMITS,
}
EXPORT_TITLES = {
    **{f"export_{name}": title for name, title in (("postgres", "PostgreSQL"), ("mariadb", "MariaDB"))},
    "export_mysql": "MySQL",
    "export_many_postgres": "PostgreSQL, where the start of a process weighs little",
    "export_small_mariadb": "MariaDB, one run with MySQL's below",
    "export_small_mysql": "MySQL",
}
"""Those of `--small` are kept apart: with so few rows the start of the processes is most of the time."""
WIDE_MB = 700
LONGEST_MS = 5
ROWS_MB = {5_000_000: 250, 50_000_000: 300}
SLOPE_PERCENT = 5


def exports(found: dict[str, Any]) -> Iterator[str]:
    for name, title in EXPORT_TITLES.items():
        if name not in found:
            continue
        result = found[name]
        yield from ("", f"## Export, {result['rows']:,} rows into 32 shards, {title}")
        if "_small_" in name:
            yield from (
                "",
                f"By `--small`, at a load average of {result['load_average']:.0f}. Of so few rows the start of",
            )
            yield "the processes is most of the time; look at how the two servers differ, not at the aims."
        rows = [
            (tool, seconds_of(samples), f"{median(samples, 'cpu_seconds'):.1f}", f"{median(samples, 'rss_mb'):.0f}")
            for tool, samples in result["samples"].items()
        ]
        yield from table(("tool", "wall s: median (least – most)", "client CPU s", "peak RSS MB"), rows)
        yield from (
            "",
            "Penstock also counts and proves what it reads. Its time as a ratio, the median of the rounds' ratios:",
            "",
        )
        for other, limit in EXPORT_LIMITS[name].items():
            if other in result["ratios"]:
                yield f"- / {other}: {kept(result['ratios'][other], limit)}"
        if name in ("export_postgres", "export_mysql"):
            yield from told(name)


def server(found: dict[str, Any]) -> Iterator[str]:
    titles = {
        "sealed_postgres": "sealed slices against one snapshot, PostgreSQL",
        "sealed_mariadb": "sealed slices against one snapshot, MariaDB",
        "sealed_mysql": "sealed slices against one snapshot, MySQL",
        "ten_mariadb": "one day of ten against one statement over the time index, MariaDB",
        "ten_mysql": "one day of ten against one statement over the time index, MySQL",
    }
    if not titles.keys() & found.keys():
        return
    yield from ("", "## What an export costs the server, its own processor seconds", "")
    yield "Flat out, without a pause; the load of the machine falls on wall time, hardly on these."
    rows = []
    for name, title in titles.items():
        if name in found:
            seconds = found[name]["server_seconds"]
            each = " · ".join(f"{what} {statistics.median(values):.2f}" for what, values in seconds.items())
            rows.append((title, f"{found[name]['rows']:,}", each, kept(found[name]["ratio"], SERVER_LIMITS[name])))
    yield from table(("what", "rows in the table", "server CPU s, median", "ratio"), rows)
    if "sealed_postgres" in found:
        yield from told("sealed_postgres")


def longest(found: dict[str, Any]) -> Iterator[str]:
    if "longest_postgres" not in found:
        return
    result = found["longest_postgres"]
    yield from ("", f"## The longest single statement of an export of {result['rows']:,} rows, PostgreSQL", "")
    yield f"By the server's own log, in milliseconds. {busy(result)}"
    rows: list[tuple[str, str, str]] = []
    for name, each in result["longest_ms"].items():
        middle = statistics.median(each)
        shown = kept(middle, LONGEST_MS) if name == DEFAULT else f"{middle:.1f}"
        rows.append((name, shown, f"{min(each):.1f} – {max(each):.1f}"))
    yield from table(("tool", "median of the rounds", "least – most"), rows)


def memory(found: dict[str, Any]) -> Iterator[str]:
    if "export_sizes" in found:
        yield from ("", "## Export, how time and memory grow (PostgreSQL, 32 shards)")
        sizes = sorted((int(rows), sample) for rows, sample in found["export_sizes"]["samples"].items())
        rows = []
        for count, s in sizes:
            mb = whole(s["rss_mb"], ROWS_MB[count]) if count in ROWS_MB else f"{s['rss_mb']:.0f}"
            rows.append((f"{count:,}", f"{s['seconds']:.1f}", f"{s['seconds'] / count * 1e6:.2f}", mb))
        yield from table(("rows", "wall s", "s per million rows", "peak RSS MB"), rows)
        yield ""
        yield from _straight([(count, sample["seconds"]) for count, sample in sizes])
    if "export_wide" in found:
        samples = found["export_wide"]["samples"]
        yield from ("", f"## Export, {found['export_wide']['rows']:,} rows of 500 bytes")
        titles = {"penstock": "64 shards", "1000 shards": "1,000 shards"}
        wide = [
            (titles[name], f"{each[0]['seconds']:.1f}", whole(each[0]["rss_mb"], WIDE_MB))
            for name, each in samples.items()
        ]
        yield from table(("into", "wall s", "peak RSS MB"), wide)


def _straight(points: Sequence[tuple[int, float]]) -> Iterator[str]:
    """How far the times lie off the best straight line."""
    if len(points) < 3:
        yield "One run each. 20 and 50 million rows, which `make bench ARGS=--full` measures, were not measured in this run."
        return
    slope, start = statistics.linear_regression(*zip(*points, strict=True))
    off = max(abs(seconds - (start + slope * rows)) / seconds for rows, seconds in points) * 100
    line = f"{start:.1f} s and {slope * 1e6:.2f} s per million rows"
    yield f"One run each. The straight line through them, {line}, misses one by {whole(off, SLOPE_PERCENT)} % at most."
