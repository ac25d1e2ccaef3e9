"""Writes docs/benchmarks.md and its plot from the samples kept in `bench/results`."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from typing import Any

from bench.measure import BENCH, CHECKOUT, run_peer
from bench.report.days import days, loads, long, task, whole_day
from bench.report.exports import exports, longest, memory, server
from bench.report.felt import felt, felt_promise, felt_several, saturated
from bench.report.several import changed, month, several

DOCS = CHECKOUT / "docs"


def write_report(*, plot: bool = True) -> str:
    """Write the document and return it; scenarios without results are left out, saying so."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted((BENCH / "results").glob("*.json"))}
    text = (
        "\n".join(
            [
                *_head(found),
                *felt(found),
                *felt_several(found),
                *felt_promise(found),
                *saturated(found),
                *exports(found),
                *several(found),
                *server(found),
                *longest(found),
                *changed(found),
                *memory(found),
                *whole_day(found),
                *task(found),
                *days(found),
                *long(found),
                *month(found),
                *loads(found),
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
