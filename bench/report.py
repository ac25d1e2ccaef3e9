"""Writes docs/benchmarks.md and its plot from the samples kept in `bench/results`."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from bench.measure import BENCH, CHECKOUT, run_peer
from bench.scenarios.export import CONNECTORX, COPY, DLT, DUCKDB_MYSQL, DUCKDB_POSTGRES, QUICK
from bench.scenarios.felt import NOBODY, OURS, UNPACED

DOCS = CHECKOUT / "docs"
Samples = dict[str, list[dict[str, float]]]
LIMITS = {
    "load_postgres": 1.3,
    "load_mariadb": 1.3,
    "load_mysql": 1.3,
    "sealed_postgres": 1.5,
    "sealed_mariadb": 3.0,
    "sealed_mysql": 3.0,
    "ten_mariadb": 0.35,
    "ten_mysql": 0.35,
}
TASK_LIMITS = {"10000": 1.5, "100000": 1.2, "500000": 1.05}
"""By users in the shard: the fewer there are, the less is computed beside what is proven."""
_FAMILY_LIMITS = {CONNECTORX: 0.7, DUCKDB_MYSQL: 0.45, DLT: 0.45, QUICK: 1.3}
EXPORT_LIMITS = {
    "export_postgres": {DUCKDB_POSTGRES: 1.0, CONNECTORX: 0.4, DLT: 0.25, COPY: 1.3},
    "export_mariadb": _FAMILY_LIMITS,
    "export_mysql": _FAMILY_LIMITS,
    "export_small_mariadb": _FAMILY_LIMITS,
    "export_small_mysql": _FAMILY_LIMITS,
}
EXPORT_TITLES = {
    **{f"export_{name}": title for name, title in (("postgres", "PostgreSQL"), ("mariadb", "MariaDB"))},
    "export_mysql": "MySQL",
    "export_small_mariadb": "MariaDB, one run with MySQL's below",
    "export_small_mysql": "MySQL",
}
"""Those of `--small` are kept apart: of so few rows the start of the processes is most of the time."""
FELT_LIMITS = {False: 1.25, True: 2.0}
PACED_LIMIT = 12
SATURATED_LIMIT = 0.95
WIDE_MB = 700
ROWS_MB = {5_000_000: 300, 50_000_000: 350}
SLOPE_PERCENT = 5
ONE_ROW_LIMIT, SMALL_DAY_LIMIT, DONE_DAY_LIMIT, STATUS_LIMIT = 1.2, 0.35, 0.1, 2.0
STATUS_DAYS = 3_000
"""`status` is measured over fewer days and counted up."""


def write_report(*, plot: bool = True) -> str:
    """Write the document and return it; scenarios without results are left out, saying so."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted((BENCH / "results").glob("*.json"))}
    text = (
        "\n".join(
            [
                *_head(found),
                *_felt(found),
                *_saturated(found),
                *_exports(found),
                *_server(found),
                *_memory(found),
                *_task(found),
                *_days(found),
                *_long(found),
                *_loads(found),
            ]
        )
        + "\n"
    )
    (DOCS / "benchmarks.md").write_text(text, encoding="utf-8")
    if plot:
        run_peer("plot.py", str(BENCH / "results"), str(DOCS / "benchmarks.svg"))
        run_peer("plot_felt.py", str(BENCH / "results"), str(DOCS / "felt.svg"))
    return text


def _head(found: dict[str, Any]) -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield "Written by `make bench`; every sample is kept in `bench/results`. Contenders take turns, round by round, on one machine that"
    yield "also runs the database; a ratio is the median of the rounds' ratios. Wall times are of whole processes, imports included, unless"
    yield "said otherwise. The other tools come from a locked environment of their own, `bench/uv.lock`."
    yield ""
    cores = os.cpu_count()
    busy = max((each["load_average"] for name, each in found.items() if "_small_" not in name), default=0.0)
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
            (tool, _seconds(samples), f"{_median(samples, 'cpu_seconds'):.1f}", f"{_median(samples, 'rss_mb'):.0f}")
            for tool, samples in result["samples"].items()
        ]
        yield from _table(("tool", "wall s: median (least – most)", "client CPU s", "peak RSS MB"), rows)
        yield from (
            "",
            "Penstock also counts and proves what it reads. Its time as a ratio, the median of the rounds' ratios:",
            "",
        )
        for other, limit in EXPORT_LIMITS[name].items():
            if other in result["ratios"]:
                yield f"- / {other}: {_kept(result['ratios'][other], limit)}"


def _server(found: dict[str, Any]) -> Iterator[str]:
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
            rows.append((title, f"{found[name]['rows']:,}", each, _kept(found[name]["ratio"], LIMITS[name])))
    yield from _table(("what", "rows in the table", "server CPU s, median", "ratio"), rows)


def _memory(found: dict[str, Any]) -> Iterator[str]:
    if "export_sizes" in found:
        yield from ("", "## Export, how time and memory grow (PostgreSQL, 32 shards)")
        sizes = sorted((int(rows), sample) for rows, sample in found["export_sizes"]["samples"].items())
        rows = []
        for count, s in sizes:
            mb = _whole(s["rss_mb"], ROWS_MB[count]) if count in ROWS_MB else f"{s['rss_mb']:.0f}"
            rows.append((f"{count:,}", f"{s['seconds']:.1f}", f"{s['seconds'] / count * 1e6:.2f}", mb))
        yield from _table(("rows", "wall s", "s per million rows", "peak RSS MB"), rows)
        yield ""
        yield from _straight([(count, sample["seconds"]) for count, sample in sizes])
    if "export_wide" in found:
        samples = found["export_wide"]["samples"]
        yield from ("", f"## Export, {found['export_wide']['rows']:,} rows of 500 bytes")
        titles = {"penstock": "64 shards", "1000 shards": "1,000 shards"}
        rows = [
            (titles[name], f"{each[0]['seconds']:.1f}", _whole(each[0]["rss_mb"], WIDE_MB))
            for name, each in samples.items()
        ]
        yield from _table(("into", "wall s", "peak RSS MB"), rows)


def _straight(points: Sequence[tuple[int, float]]) -> Iterator[str]:
    """How far the times lie off the best straight line."""
    if len(points) < 3:
        yield "One run each. 20 and 50 million rows, which `make bench ARGS=--full` measures, were not measured in this run."
        return
    slope, start = statistics.linear_regression(*zip(*points, strict=True))
    off = max(abs(seconds - (start + slope * rows)) / seconds for rows, seconds in points) * 100
    line = f"{start:.1f} s and {slope * 1e6:.2f} s per million rows"
    yield f"One run each. The straight line through them, {line}, misses one by {_whole(off, SLOPE_PERCENT)} % at most."


def _task(found: dict[str, Any]) -> Iterator[str]:
    if "task" not in found:
        return
    yield from ("", "## A task over a shard of 1,000,000 rows, against bare polars on the same file (imports apart)")
    rows = []
    for users, result in found["task"]["users"].items():
        ours, bare = (result["samples"][name] for name in ("penstock", "bare polars"))
        wall = [f"{_median(samples, 'seconds') * 1000:.0f}" for samples in (ours, bare)]
        ratios = (_kept(result["ratio"], TASK_LIMITS[users]), f"{_processor_ratio(ours, bare):.2f}")
        rows.append((f"{int(users):,}", *wall, *ratios))
    yield from _table(("users in the shard", "task ms", "bare polars ms", "ratio", "of processor seconds"), rows)
    yield ""
    yield _busy(found["task"])
    yield "Bare polars scans, groups, sorts and writes. The task also copies the shard out of the staging, proves its bytes (CRC32C, SHA-256),"
    yield "rows, sums and days, proves the output, and writes part and receipt durably. What it adds is fixed by the rows read, so it"
    yield "weighs most where little is computed: at few users per shard."


def _busy(result: dict[str, Any]) -> str:
    return f"The load average was {result['load_average']:.0f}: the busier, the less the wall says and the more the processor seconds."


def _processor_ratio(ours: Sequence[dict[str, float]], bare: Sequence[dict[str, float]]) -> float:
    return statistics.median(a["cpu_seconds"] / b["cpu_seconds"] for a, b in zip(ours, bare, strict=True))


def _days(found: dict[str, Any]) -> Iterator[str]:
    if "days_sqlite" not in found:
        return
    result = found["days_sqlite"]
    small, done, samples = result["days"]["small"], result["days"]["done"], result["samples"]
    yield from ("", "## Small days on this machine", "")
    yield "Whole commands, SQLite to SQLite, staging in a folder, jobs as processes: what a day costs besides its rows."
    rows = [
        ("`run` of a day of one row", "a day of one row", 1, ONE_ROW_LIMIT),
        (f"`backfill` of {small} days of 10,000 rows, a day", "small days", small, SMALL_DAY_LIMIT),
        (f"`backfill` of {done} days that are done, a day", "done days", done, DONE_DAY_LIMIT),
    ]
    cells = [
        (
            what,
            _kept(_median(samples[name], "seconds") / count, limit),
            f"{_median(samples[name], 'cpu_seconds') / count:.2f}",
        )
        for what, name, count, limit in rows
    ]
    seconds, processor = (
        _count_up(_median(samples["status of a day"], each), _median(samples["status"], each), done)
        for each in ("seconds", "cpu_seconds")
    )
    what = f"`status` of {STATUS_DAYS:,} days, counted up from one and {done}"
    yield from _table(
        ("work", "wall s, median", "processor s"), [*cells, (what, _kept(seconds, STATUS_LIMIT), f"{processor:.2f}")]
    )


def _long(found: dict[str, Any]) -> Iterator[str]:
    if "long_sqlite" not in found:
        return
    days, samples = found["long_sqlite"]["days"], found["long_sqlite"]["samples"]
    yield from ("", f"## A pipeline of {days:,} loaded days on this machine", "")
    yield "Whole commands over all of its days, staging in a folder; one day was run, the others are its documents with other dates."
    yield _busy(found["long_sqlite"])
    if found["long_sqlite"]["in_memory"]:
        yield "The folder lay in memory."
    rows = [
        (
            "`{}`{}{}".format(*name.partition(",")),
            _kept(_median(samples[name], "seconds"), limit) if limit else f"{_median(samples[name], 'seconds'):.2f}",
            f"{_median(samples[name], 'cpu_seconds'):.2f}",
            f"{_median(samples[name], 'rss_mb'):.0f}",
        )
        for name, limit in (
            ("status", STATUS_LIMIT),
            ("history", 0),
            ("status, nothing remembered", 0),
            ("history, nothing remembered", 0),
        )
    ]
    yield from _table(("work", "wall s, median", "processor s", "peak RSS MB"), rows)


def _count_up(one: float, many: float, days: int) -> float:
    """What STATUS_DAYS days take, of what one day and so many days took."""
    return one + (many - one) / (days - 1) * (STATUS_DAYS - 1)


def _loads(found: dict[str, Any]) -> Iterator[str]:
    for name, title in (("load_postgres", "PostgreSQL"), ("load_mariadb", "MariaDB"), ("load_mysql", "MySQL")):
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


def _felt(found: dict[str, Any]) -> Iterator[str]:
    servers = ("postgres", "mariadb", "mysql")
    names = [f"felt_{pinned}{server}" for pinned in ("", "pinned_") for server in servers]
    if not set(names) & found.keys():
        return
    yield from ("", "## What a shop feels")
    yield ""
    yield "A steady load of transactions with six statements and a durable commit each, open loop: latency counts from when a"
    yield "transaction was due. p50 and p99 are medians of the rounds; the ratio is that of p99 to nobody's, again the rounds' median."
    yield ""
    yield "![p99 over time](felt.svg)"
    for name in names:
        if name not in found:
            continue
        result = found[name]
        where = (
            "server and shop on one core, the exporter on the other" if result["pinned"] else "all on the same cores"
        )
        database = {"postgres": "PostgreSQL", "mariadb": "MariaDB", "mysql": "MySQL"}[name.rpartition("_")[2]]
        yield from ("", f"### {database}, {where}; {result['rows']:,} rows, {result['tps']} transactions/s")
        alone = [_percentiles(each["latencies_ms"])[1] for each in result["beside"][NOBODY]]
        rows = []
        for beside, rounds in result["beside"].items():
            felt = [_percentiles(each["latencies_ms"]) for each in rounds]
            took = statistics.median(each["seconds"] for each in rounds)
            middle, high = (statistics.median(values) for values in zip(*felt, strict=True))
            times = statistics.median(p99 / idle for (_, p99), idle in zip(felt, alone, strict=True))
            ratio = _kept(times, FELT_LIMITS[result["pinned"]]) if beside == OURS else f"{times:.1f}"
            rows.append((beside, f"{took:.1f}", f"{middle:.1f}", f"{high:.1f}", ratio))
        yield from _table(("beside", "it took s", "p50 ms", "p99 ms", "p99 / nobody's"), rows)
        yield from ("", f"Paced / flat out, wall time: {_kept(_paced(result), PACED_LIMIT)}.")


def _saturated(found: dict[str, Any]) -> Iterator[str]:
    for name, database in (
        ("saturated_postgres", "PostgreSQL"),
        ("saturated_mariadb", "MariaDB"),
        ("saturated_mysql", "MySQL"),
    ):
        if name in found:
            alone, beside = (statistics.median(found[name]["tps"][who]) for who in (NOBODY, OURS))
            kept = "kept" if found[name]["ratio"] >= SATURATED_LIMIT else "**missed**"
            yield ""
            yield (
                f"A load that never rests, server and load on one core, {database}: {alone:.0f} transactions/s alone, {beside:.0f}"
                f" beside our export; ratio {found[name]['ratio']:.2f} (aim ≥ {SATURATED_LIMIT}: {kept})."
            )
            if "ratio_busy" in found[name]:
                yield f"Beside a process that computes and asks the database nothing: {found[name]['ratio_busy']:.2f}."


def _paced(result: dict[str, Any]) -> float:
    ours, unpaced = (result["beside"][name] for name in (OURS, UNPACED))
    return statistics.median(a["seconds"] / b["seconds"] for a, b in zip(ours, unpaced, strict=True))


def _percentiles(latencies: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(latencies) or [float("nan")]
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
