"""Draws the plot of docs/benchmarks.md: `RESULTS FILE.svg`."""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "penstock"  # the same samples give the same file
import matplotlib.pyplot as plt  # noqa: E402

results = {path.stem: json.loads(path.read_text()) for path in Path(sys.argv[1]).glob("*.json")}
ratios = []
for name, label, limit in (
    ("export_postgres", "export, PostgreSQL\n/ duckdb", 1.5),
    ("export_mariadb", "export, MariaDB\n/ connectorx", 1.0),
    ("load_postgres", "load, PostgreSQL\n/ bare merge", 1.3),
    ("load_mariadb", "load, MariaDB\n/ bare merge", 1.3),
):
    if name in results:
        ratios.append((label, results[name]["ratio"], limit))
for users, result in results.get("task", {}).get("users", {}).items():
    ratios.append((f"task, {int(users) // 1000}k users\n/ bare polars", result["ratio"], 1.3))

shops = [name for name in ("naive_postgres", "naive_mariadb") if name in results]
figure, axes = plt.subplots(1, 1 + len(shops), figsize=(6 + 4.5 * len(shops), 4.2), layout="constrained")
axes = list(axes) if shops else [axes]
labels = [label for label, *_ in ratios]
axes[0].barh(labels, [ratio for _, ratio, _ in ratios], color="#4477aa", height=0.55)
for row, (_, ratio, limit) in enumerate(ratios):
    axes[0].plot([limit, limit], [row - 0.4, row + 0.4], color="#cc3311", lw=2)
    axes[0].text(0.04, row, f"{ratio:.2f}", va="center", color="white", fontsize=8)
axes[0].invert_yaxis()
axes[0].set_title("time of Penstock / time of the other\n(red: the aim)", fontsize=10)
axes[0].tick_params(labelsize=8)
for axis, name in zip(axes[1:], shops, strict=True):
    beside = results[name]["beside"]
    for label, rounds in beside.items():
        felt = sorted(value for each in rounds for value in each["latencies_ms"])
        if felt:
            axis.plot(felt, [(n + 1) / len(felt) for n in range(len(felt))], label=label)
    axis.set_xscale("log")
    axis.set_ylim(0.5, 1.0)
    axis.axhline(0.99, color="#bbbbbb", lw=0.8)
    axis.set_xlabel("latency of the shop's transactions, ms", fontsize=8)
    axis.set_title(f"share answered within, {'PostgreSQL' if 'postgres' in name else 'MariaDB'}", fontsize=10)
    axis.legend(fontsize=7, loc="lower right", title="beside", title_fontsize=7)
    axis.tick_params(labelsize=8)
figure.savefig(sys.argv[2], metadata={"Date": None})
