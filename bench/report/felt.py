"""What a shop feels of an export."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from bench.report.cells import kept, table
from bench.report.holds import told
from bench.scenarios.changed import LOOKING
from bench.scenarios.felt import NOBODY, OURS, PROMISED, THREE, UNPACED

FELT_LIMITS = {False: 1.25, True: 2.0}
PACED_LIMIT = 12
SATURATED_LIMIT = 0.95


def felt(found: dict[str, Any]) -> Iterator[str]:
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
        yield from felt_table(result["beside"], FELT_LIMITS[result["pinned"]])
        yield from ("", f"Paced / flat out, wall time: {kept(_paced(result), PACED_LIMIT)}.")
    yield from told("felt")


def felt_table(beside: dict[str, list[dict[str, Any]]], limit: float) -> Iterator[str]:
    """A row for each thing that ran beside the load, by rounds; our export as it comes has the limit."""
    alone = [_percentiles(each["latencies_ms"])[1] for each in beside[NOBODY]]
    rows = []
    for name, rounds in beside.items():
        felt = [_percentiles(each["latencies_ms"]) for each in rounds]
        took = statistics.median(each["seconds"] for each in rounds)
        middle, high = (statistics.median(values) for values in zip(*felt, strict=True))
        times = statistics.median(p99 / idle for (_, p99), idle in zip(felt, alone, strict=True))
        ratio = kept(times, limit) if name in (OURS, PROMISED, THREE, LOOKING) else f"{times:.1f}"
        rows.append((name, f"{took:.1f}", f"{middle:.1f}", f"{high:.1f}", ratio))
    yield from table(("beside", "it took s", "p50 ms", "p99 ms", "p99 / nobody's"), rows)


def felt_several(found: dict[str, Any]) -> Iterator[str]:
    """Three tables beside one."""
    if "felt_several_postgres" not in found:
        return
    result = found["felt_several_postgres"]
    yield from ("", f"### PostgreSQL, all on the same cores, one table and three; {result['rows']:,} purchases")
    yield from felt_table(result["beside"], FELT_LIMITS[False])
    yield from ("", "The three: the purchases, a fifth as many refunds, a fiftieth as many users, one instant for all.")


def felt_promise(found: dict[str, Any]) -> Iterator[str]:
    """An export with a promise beside one as it comes, and its own verdict on its promise."""
    for server, database in (("postgres", "PostgreSQL"), ("mariadb", "MariaDB"), ("mysql", "MySQL")):
        if (result := found.get(f"felt_promise_{server}")) is None:
            continue
        load = f"{result['rows']:,} rows, {result['tps']} transactions/s"
        yield from ("", f"### {database}, all on the same cores, with a promise; {load}")
        yield from felt_table(result["beside"], FELT_LIMITS[False])
        yield ""
        yield "What the promised exports measured by their own probe, one of the load's statements:"
        yield from table(
            ("p99 without ms", "p99 beside ms", "times", "longest rest", "held"),
            [
                (
                    f"{probed['resting_p99_milliseconds'] or 0:.1f}",
                    f"{probed['beside_p99_milliseconds'] or 0:.1f}",
                    f"{probed['increase'] or 0:.2f}",
                    f"{probed['longest_nice']:g}",
                    "yes" if probed["held"] else probed["why_not"],
                )
                for probed in result["probed"]
            ],
        )


def saturated(found: dict[str, Any]) -> Iterator[str]:
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
    ratios: list[float] = [a["seconds"] / b["seconds"] for a, b in zip(ours, unpaced, strict=True)]
    return statistics.median(ratios)


def _percentiles(latencies: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(latencies) or [float("nan")]
    return ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
