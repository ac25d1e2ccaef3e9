"""What several tables, months of stored days, and looking for days that changed take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.report import holds
from bench.report.cells import busy, kept, median, seconds_of, table
from bench.report.felt import FELT_LIMITS, felt_table

SEVERAL_LIMIT = 1.1
MONTH_LIMIT, MONTH_FIXED_SECONDS = 1.2, 1.0
CHANGED_LIMITS = {"changed_postgres": 0.1, "changed_mariadb": 0.6, "changed_mysql": 0.6}


def several(found: dict[str, Any]) -> Iterator[str]:
    """Three tables of one instant against one table of as many rows."""
    if "several_postgres" not in found:
        return
    result = found["several_postgres"]
    counts = ", ".join(f"{count:,} {what}" for what, count in result["rows"].items())
    yield from ("", f"## Several tables of one instant, PostgreSQL: {counts}")
    yield from table(
        ("what", "wall s: median (least – most)", "peak RSS MB"),
        [
            (what, seconds_of(samples), f"{median(samples, 'rss_mb'):.0f}")
            for what, samples in result["samples"].items()
        ],
    )
    yield from ("", f"Three tables / one of as many rows: {kept(result['ratio'], SEVERAL_LIMIT)}. {busy(result)}")
    yield from holds.told("several_postgres")


def month(found: dict[str, Any]) -> Iterator[str]:
    """A month of stored days against polars alone."""
    if "month_sqlite" not in found:
        return
    result = found["month_sqlite"]
    ours, bare = result["samples"].values()
    yield from ("", f"## A month of {result['days']} stored days of {result['rows']:,} rows, into Parquet files")
    yield from table(
        ("what", "wall s: median (least – most)", "processor s", "peak RSS MB"),
        [
            (what, seconds_of(samples), f"{median(samples, 'cpu_seconds'):.2f}", f"{median(samples, 'rss_mb'):.0f}")
            for what, samples in result["samples"].items()
        ],
    )
    times = (median(ours, "seconds") - MONTH_FIXED_SECONDS) / median(bare, "seconds")
    yield from (
        "",
        f"What it takes beyond {MONTH_FIXED_SECONDS:.0f} s, over bare polars: {kept(times, MONTH_LIMIT)}. {busy(result)}",
    )
    yield from holds.month()


def changed(found: dict[str, Any]) -> Iterator[str]:
    """Which days changed against exporting all of them."""
    if not CHANGED_LIMITS.keys() & found.keys():
        return
    yield from ("", "## Which of many stored days changed, the server's own processor seconds")
    yield from table(
        ("server", "days of rows", "exporting all s", "`penstock changed` s", "ratio"),
        [
            (
                name.removeprefix("changed_"),
                f"{found[name]['days']} of {found[name]['rows']:,}",
                f"{found[name]['server_seconds']['export']:.1f}",
                f"{found[name]['server_seconds']['look']:.1f}",
                kept(found[name]["ratio"], limit),
            )
            for name, limit in CHANGED_LIMITS.items()
            if name in found
        ],
    )
    yield from ("", "Late rows, edits and deletions in seven of the days; exactly these were named.")
    yield from holds.told("changed_postgres")
    for name in CHANGED_LIMITS:
        if "felt" in found.get(name, {}):
            yield from (
                "",
                f"What the steady load feels of it, {name.removeprefix('changed_')}, all on the same cores:",
            )
            yield from felt_table({who: [each] for who, each in found[name]["felt"].items()}, FELT_LIMITS[False])
