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
for name, others in (
    (
        "export_postgres",
        {"duckdb postgres extension": 1.0, "connectorx + polars": 0.4, "dlt, connectorx backend": 0.25},
    ),
    ("export_mariadb", {"connectorx + polars": 0.7, "duckdb mysql extension": 0.45, "dlt, connectorx backend": 0.45}),
):
    database = "PostgreSQL" if "postgres" in name else "MariaDB"
    for other, limit in others.items():
        if other in results.get(name, {}).get("ratios", {}):
            ratios.append(
                (f"export, {database}\n/ {other.split()[0].strip(',')}", results[name]["ratios"][other], limit)
            )
for name, label, limit in (
    ("load_postgres", "load, PostgreSQL\n/ bare merge", 1.3),
    ("load_mariadb", "load, MariaDB\n/ bare merge", 1.3),
):
    if name in results:
        ratios.append((label, results[name]["ratio"], limit))
for users, result in results.get("task", {}).get("users", {}).items():
    ratios.append((f"task, {int(users) // 1000}k users\n/ bare polars", result["ratio"], 1.3))

figure, axes = plt.subplots(figsize=(8, 0.55 * len(ratios) + 1), layout="constrained")
axes.barh([label for label, *_ in ratios], [ratio for _, ratio, _ in ratios], color="#4477aa", height=0.55)
for row, (_, ratio, limit) in enumerate(ratios):
    axes.plot([limit, limit], [row - 0.4, row + 0.4], color="#cc3311", lw=2)
    axes.text(0.02, row, f"{ratio:.2f}", va="center", color="white", fontsize=8)
axes.invert_yaxis()
axes.set_title("time of Penstock / time of the other (red: the aim)", fontsize=10)
axes.tick_params(labelsize=8)
figure.savefig(sys.argv[2], metadata={"Date": None})
