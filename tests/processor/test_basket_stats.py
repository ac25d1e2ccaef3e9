"""The example with a quarantine, as its file stands in the checkout, against plain Python."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from processor.assignment import read_assignment
from processor.process_task import process_task
from processor.task import Task
from staging.config.file import load_pipeline
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from tests.shop import hand_made_export
from tests.shop.hand_made_export import DAY, SCHEMA, HandMade, Row, purchases, put_in_folder

PIPELINES = Path(__file__).parents[2] / "pipelines"
STATUS_SCHEMA = SCHEMA.append(pa.field("status", pa.string(), nullable=True))


def drawn_rows() -> list[Row]:
    draw = random.Random(5)
    statuses = ["paid"] * 12 + ["refunded", "pending", "cancelled", "lost", None]
    return [{**row, "status": draw.choice(statuses)} for row in purchases(3000, users=150)]


def broken_rule(row: Row) -> str | None:
    if row["status"] is None:
        return "no amount or no status"
    if row["status"] not in ("paid", "refunded"):
        return {"pending": "not paid yet", "cancelled": "cancelled"}.get(row["status"], "unknown status")
    if row["status"] == "paid":
        return "paid nothing or less" if row["amount"] <= 0 else None
    return "refund of nothing or less" if row["amount"] >= 0 else None


def expected(rows: list[Row]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for user in {row["user_id"] for row in rows if broken_rule(row) is None}:
        own = [row for row in rows if row["user_id"] == user and broken_rule(row) is None]
        paid = [row["amount"] for row in own if row["status"] == "paid"]
        back = [row["amount"] for row in own if row["status"] == "refunded"]
        found[user] = {
            "user_id": user,
            "revenue": sum(paid + back, Decimal(0)),
            "refunded": sum(back, Decimal(0)),
            "purchases": len(paid),
            "refunds": len(back),
            "largest": max(paid, default=None),
            "first_at": min(row["purchased_at"] for row in own),
            "last_at": max(row["purchased_at"] for row in own),
        }
    return found


def test_baskets_and_quarantine_equal_the_oracle(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(hand_made_export, "PIPELINE", "basket_stats")
    monkeypatch.setattr(hand_made_export, "PREFIX", f"basket_stats/day={DAY}/")
    rows = drawn_rows()
    staging = tmp_path / "staging"
    HandMade(put_in_folder(staging), rows, schema=STATUS_SCHEMA, shards=3).commit()
    environ = {"PENSTOCK_STAGING__URL": staging.as_uri()}
    pipeline = load_pipeline(PIPELINES / "basket_stats.toml", environ=environ)
    said: list[str] = []
    with open_store(pipeline.staging.url) as store:
        work = read_assignment(store, pipeline, DayNames(pipeline.name, DAY), "run-0001", [PIPELINES])
        process_task(
            store,
            work,
            Task(0, 1, 0),
            scratch=tmp_path,
            cancel=Cancel(),
            progress=Progress(),
            say=said.append,
        )
    run = staging / f"basket_stats/day={DAY}/run=run-0001"
    made = [row for path in sorted(run.glob("part-*")) for row in pq.read_table(path).to_pylist()]
    assert {row["user_id"]: row for row in made} == expected(rows)
    aside = [row for path in sorted(run.glob("quarantine-*")) for row in pq.read_table(path).to_pylist()]
    assert Counter(row["reason"] for row in aside) == Counter(filter(None, map(broken_rule, rows)))
    assert sum(row["amount"] for row in aside) + sum(row["revenue"] for row in made) == sum(r["amount"] for r in rows)
    assert not [line for line in said if "not conserved" in line]
