"""What tasks, small days, many days and loads take."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from bench.report.cells import busy, kept, median, seconds_of, table
from bench.report.holds import small_days, told
from bench.scenarios.whole_day import BARE, EMPTY, OURS, THERE

LOAD_LIMIT = 1.3
WHOLE_DAY_LIMITS = {EMPTY: 0.8, THERE: 0.4}
TASK_LIMITS = {"10000": 1.5, "100000": 1.2, "500000": 1.05}
"""By users in the shard: the fewer there are, the smaller is the computation beside the proof."""
ONE_ROW_LIMIT, SMALL_DAY_LIMIT, DONE_DAY_LIMIT, STATUS_LIMIT = 1.2, 0.35, 0.1, 2.0
STATUS_DAYS = 3_000
"""`status` is measured over fewer days and counted up."""


def task(found: dict[str, Any]) -> Iterator[str]:
    if "task" not in found:
        return
    yield from ("", "## A task over a shard of 1,000,000 rows, against bare polars on the same file (imports apart)")
    rows = []
    for users, result in found["task"]["users"].items():
        ours, bare = (result["samples"][name] for name in ("penstock", "bare polars"))
        wall = [f"{median(samples, 'seconds') * 1000:.0f}" for samples in (ours, bare)]
        ratios = (kept(result["ratio"], TASK_LIMITS[users]), f"{_processor_ratio(ours, bare):.2f}")
        rows.append((f"{int(users):,}", *wall, *ratios))
    yield from table(("users in the shard", "task ms", "bare polars ms", "ratio", "of processor seconds"), rows)
    yield ""
    yield busy(found["task"])
    yield "Bare polars scans, groups, sorts and writes. The task also copies the shard out of the staging, proves its bytes (CRC32C, SHA-256),"
    yield "rows, sums and days, proves the output, and writes part and receipt durably. What it adds is fixed by the rows read, so it"
    yield "weighs most where little is computed: at few users per shard."
    yield from told("task")


def _processor_ratio(ours: Sequence[dict[str, float]], bare: Sequence[dict[str, float]]) -> float:
    return statistics.median(a["cpu_seconds"] / b["cpu_seconds"] for a, b in zip(ours, bare, strict=True))


def days(found: dict[str, Any]) -> Iterator[str]:
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
            kept(median(samples[name], "seconds") / count, limit),
            f"{median(samples[name], 'cpu_seconds') / count:.2f}",
        )
        for what, name, count, limit in rows
    ]
    seconds, processor = (
        _count_up(median(samples["status of a day"], each), median(samples["status"], each), done)
        for each in ("seconds", "cpu_seconds")
    )
    what = f"`status` of {STATUS_DAYS:,} days, counted up from one and {done}"
    yield from table(
        ("work", "wall s, median", "processor s"), [*cells, (what, kept(seconds, STATUS_LIMIT), f"{processor:.2f}")]
    )
    yield from small_days()


def long(found: dict[str, Any]) -> Iterator[str]:
    if "long_sqlite" not in found:
        return
    days, samples = found["long_sqlite"]["days"], found["long_sqlite"]["samples"]
    yield from ("", f"## A pipeline of {days:,} loaded days on this machine", "")
    yield "Whole commands over all of its days, staging in a folder; one day was run, the others are its documents with other dates."
    yield busy(found["long_sqlite"])
    if found["long_sqlite"]["in_memory"]:
        yield "The folder lay in memory."
    rows = [
        (
            "`{}`{}{}".format(*name.partition(",")),
            kept(median(samples[name], "seconds"), limit) if limit else f"{median(samples[name], 'seconds'):.2f}",
            f"{median(samples[name], 'cpu_seconds'):.2f}",
            f"{median(samples[name], 'rss_mb'):.0f}",
        )
        for name, limit in (
            ("status", STATUS_LIMIT),
            ("history", 0),
            ("status, nothing remembered", 0),
            ("history, nothing remembered", 0),
        )
    ]
    yield from table(("work", "wall s, median", "processor s", "peak RSS MB"), rows)


def _count_up(one: float, many: float, days: int) -> float:
    """What STATUS_DAYS days take, computed from one day and so many days."""
    return one + (many - one) / (days - 1) * (STATUS_DAYS - 1)


def loads(found: dict[str, Any]) -> Iterator[str]:
    for name, title in (("load_postgres", "PostgreSQL"), ("load_mariadb", "MariaDB"), ("load_mysql", "MySQL")):
        if name not in found:
            continue
        result = found[name]
        yield from ("", f"## Load, {result['rows']:,} rows into an empty day, {title}")
        rows = [
            (tool, seconds_of(samples), f"{median(samples, 'rss_mb'):.0f}")
            for tool, samples in result["samples"].items()
        ]
        if "again" in result:
            rows.append(("penstock, the same run again", seconds_of(result["again"]["penstock"]), "–"))
        yield from table(("tool", "wall s: median (least – most)", "peak RSS MB"), rows)
        yield from (
            "",
            f"Penstock / bare: {kept(result['ratio'], LOAD_LIMIT)}. The bare one proves nothing and keeps no ledger.",
        )


def whole_day(found: dict[str, Any]) -> Iterator[str]:
    if "whole_day_postgres" not in found:
        return
    result = found["whole_day_postgres"]
    yield from ("", f"## A whole day, {result['rows']:,} rows to {result['users']:,} users, PostgreSQL", "")
    yield f"The bare script reads, groups, deletes and inserts. Ours stages, proves, and can be run again. {busy(result)}"
    rows = []
    for what, limit in WHOLE_DAY_LIMITS.items():
        samples = result["samples"][what]
        times = (seconds_of(samples[OURS]), seconds_of(samples[BARE]))
        processor = (f"{median(samples[OURS], 'cpu_seconds'):.1f}", f"{median(samples[BARE], 'cpu_seconds'):.1f}")
        rows.append((what, *times, *processor, kept(result["ratios"][what], limit)))
    head = (
        "work",
        "penstock wall s: median (least – most)",
        "bare wall s",
        "penstock CPU s",
        "bare CPU s",
        "ratio of walls",
    )
    yield from table(head, rows)
    yield from told("whole_day_postgres")
