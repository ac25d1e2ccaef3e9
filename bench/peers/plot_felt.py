"""Draws the shop's p99 over time: `RESULTS FILE.svg`. One panel a database, of the pinned measurement where there is one."""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "penstock"  # the same samples give the same file
import matplotlib.pyplot as plt  # noqa: E402

STEP_SECONDS = 1.0
SPAN_SECONDS = 2.0
COLORS = ("#999999", "#228833", "#ccbb44", "#cc3311")
results = {path.stem: json.loads(path.read_text()) for path in Path(sys.argv[1]).glob("felt_*.json")}
shown = []
for database in ("postgres", "mariadb"):
    name = next((n for n in (f"felt_pinned_{database}", f"felt_{database}") if n in results), None)
    if name:
        shown.append((database, results[name]))


def p99(values):  # noqa: ANN001, ANN201 - a list of numbers
    ordered = sorted(values)
    return ordered[len(ordered) * 99 // 100]


def over_time(round_):  # noqa: ANN001, ANN201 - one measured round
    pairs = sorted(zip(round_["due_seconds"], round_["latencies_ms"], strict=True))
    at, points = 0.0, []
    while pairs and at <= pairs[-1][0]:
        near = [latency for due, latency in pairs if at - SPAN_SECONDS / 2 <= due < at + SPAN_SECONDS / 2]
        if near:
            points.append((at, p99(near)))
        at += STEP_SECONDS
    return points


figure, panels = plt.subplots(
    1, max(len(shown), 1), figsize=(5.2 * max(len(shown), 1), 3.6), layout="constrained", sharey=True
)
for axis, (database, result) in zip(panels if len(shown) > 1 else [panels], shown, strict=False):
    for (beside, rounds), color in zip(result["beside"].items(), COLORS, strict=True):
        middle = sorted(rounds, key=lambda each: p99(each["latencies_ms"]))[len(rounds) // 2]
        points = over_time(middle)
        axis.plot([x for x, _ in points], [y for _, y in points], label=beside, color=color, lw=1.8)
    title = "PostgreSQL" if database == "postgres" else "MariaDB"
    axis.set_title(f"{title}, {result['rows'] / 1e6:.0f} M rows of the day", fontsize=10)
    axis.set_yscale("log")
    axis.set_xlabel("seconds since the work beside began", fontsize=8)
    axis.tick_params(labelsize=8)
    axis.grid(axis="y", color="#dddddd", lw=0.6)
if shown:
    first = panels[0] if len(shown) > 1 else panels
    first.set_ylabel("the shop's p99, ms (two seconds each)", fontsize=8)
    figure.legend(
        *first.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        fontsize=8,
        title="beside",
        title_fontsize=8,
    )
figure.savefig(sys.argv[2], metadata={"Date": None})
