"""How many shards an export has."""

from __future__ import annotations

from typing import Literal

from exporter.port.source import Estimate
from staging.config.pipeline import MAX_TASKS

ROWS_PER_SHARD = 250_000


def plan_shards(configured: int | Literal["auto"], estimate: Estimate) -> tuple[int, str]:
    """Return the number of shards, and why in words.

    At least one. `auto` is one for each 250,000 rows begun.
    """
    if configured != "auto":
        return configured, "as configured"
    shards = min(max(1, -(-estimate.rows // ROWS_PER_SHARD)), MAX_TASKS)
    return shards, f"auto: {estimate.rows:,} rows {estimate.how}, {ROWS_PER_SHARD:,} a shard"
