"""A task over a shard of a million rows, against bare polars on the same file."""

from __future__ import annotations

import json
import sys
from typing import Any

from bench.measure import Sample, ratio, run

USERS = (10_000, 100_000, 500_000)
"""How many users made the million purchases: shops see a purchase or two a user and day."""


def task(rounds: int) -> dict[str, Any]:
    """Compare in one process per number of users, in turn."""
    found: dict[str, Any] = {"rows": 1_000_000, "users": {}}
    for users in USERS:
        _, printed = run([sys.executable, "-m", "bench.task_child", str(rounds), str(users)])
        samples = {
            name: [Sample(seconds, cpu_seconds, 0) for seconds, cpu_seconds in each]
            for name, each in json.loads(printed).items()
        }
        found["users"][str(users)] = {"samples": samples, "ratio": ratio(samples, "penstock", "bare polars")}
        print(f"  {users} users: {found['users'][str(users)]['ratio']:.2f}", file=sys.stderr, flush=True)
    return found
