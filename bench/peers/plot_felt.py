"""Draws the shop's p99 over time: `RESULTS FILE.svg`. One panel a database, of the pinned measurement where there is one."""

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "penstock"  # the same samples give the same file
import matplotlib.pyplot as plt  # noqa: E402

STEP_SECONDS = 1.0
SPAN_SECONDS = 2.0
# Okabe and Ito's colours, which colour-blind people can distinguish; each line has its dashes and words, too.
STYLES = (("#777777", ":"), ("#0072b2", "-"), ("#e69f00", "--"), ("#d55e00", "-."))
WORDS = {
    "one Penstock export": "Penstock",
    "one Penstock export, flat out in one snapshot": "Penstock flat out",
    "16 tasks with a range query each": "16 tasks",
}
LABELS_APART = 1.55  # on the scale of milliseconds, a factor
results = {path.stem: json.loads(path.read_text()) for path in Path(sys.argv[1]).glob("felt_*.json")}
shown = []
for database in ("postgres", "mariadb"):
    name = next((n for n in (f"felt_pinned_{database}", f"felt_{database}") if n in results), None)
    if name:
        shown.append((database, results[name]))


def p99(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) * 99 // 100]


def over_time(round_: Mapping[str, Any]) -> list[tuple[float, float]]:
    """Return the p99 of each step of one measured round."""
    pairs = sorted(zip(round_["due_seconds"], round_["latencies_ms"], strict=True))
    at = 0.0
    points: list[tuple[float, float]] = []
    while pairs and at <= pairs[-1][0]:
        near = [latency for due, latency in pairs if at - SPAN_SECONDS / 2 <= due < at + SPAN_SECONDS / 2]
        if near:
            points.append((at, p99(near)))
        at += STEP_SECONDS
    return points


def spread(heights: Mapping[str, float]) -> dict[str, float]:
    """Return where the words of each line go: at its end, and no two on each other."""
    placed: dict[str, float] = {}
    lowest = 0.0
    for name, height in sorted(heights.items(), key=lambda each: each[1]):
        placed[name] = max(height, lowest)
        lowest = placed[name] * LABELS_APART
    return placed


figure, panels = plt.subplots(
    1, max(len(shown), 1), figsize=(5.2 * max(len(shown), 1), 3.6), layout="constrained", sharey=True
)
for axis, (database, result) in zip(panels if len(shown) > 1 else [panels], shown, strict=False):
    lines = {}
    for beside, rounds in result["beside"].items():
        middle = sorted(rounds, key=lambda each: p99(each["latencies_ms"]))[len(rounds) // 2]
        lines[beside] = over_time(middle)
    right = max(x for points in lines.values() for x, _ in points)
    words_at = spread({beside: points[-1][1] for beside, points in lines.items()})
    for (beside, points), (color, dashes) in zip(lines.items(), STYLES, strict=True):
        axis.plot([x for x, _ in points], [y for _, y in points], dashes, color=color, lw=1.8)
        ends, at = points[-1], words_at[beside]
        axis.plot([ends[0], right * 1.03], [ends[1], at], color=color, lw=0.5)
        axis.text(right * 1.04, at, WORDS.get(beside, beside), color=color, fontsize=8, va="center", fontweight="bold")
    title = "PostgreSQL" if database == "postgres" else "MariaDB"
    axis.set_title(f"{title}, {result['rows'] / 1e6:.0f} M rows of the day", fontsize=10)
    axis.set_yscale("log")
    axis.set_xlim(right=right * 1.4)
    axis.set_xlabel("seconds since the work beside began", fontsize=8)
    axis.tick_params(labelsize=8)
    axis.grid(axis="y", color="#dddddd", lw=0.6)
if shown:
    first = panels[0] if len(shown) > 1 else panels
    first.set_ylabel("the shop's p99, ms (two seconds each)", fontsize=8)
figure.savefig(sys.argv[2], metadata={"Date": None})
