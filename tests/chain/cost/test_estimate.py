"""What a day costs, computed a second time by hand."""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from chain.cost.estimate import DayFigures, estimate_day, format_dollars
from chain.cost.prices import read_prices
from staging.config.cloud import CloudConfig

ROOT = Path(__file__).parents[3]


def test_a_small_day_costs_the_minute_that_each_task_is_billed_with() -> None:
    cost = estimate_day(DayFigures(rows=1000, loaded_rows=100, shards=4, tasks=4, seconds=45.0), CloudConfig())
    assert cost.vcpu_seconds == 60 * 7
    assert cost.gib_seconds == 60 * 7 / Decimal(2)
    assert (cost.class_a, cost.class_b) == (4 * 3 + 12, 4 * 4 + 4 * 12 + 3 * 4)
    by_hand = 420 * Decimal("0.000018") + 210 * Decimal("0.000002")
    by_hand += 24 * Decimal("0.005") / 1000 + 76 * Decimal("0.0004") / 1000 + Decimal("0.014e-3") * Decimal("0.02")
    assert cost.dollars == by_hand
    assert cost.describe().startswith("about $0.008 on Google Cloud: 420 vCPU s, 100 operations")


def test_more_processors_and_memory_and_rows_cost_more() -> None:
    cloud = CloudConfig.model_validate(
        {"exporter": {"cpu": "2", "memory": "4Gi"}, "processor": {"cpu": "500m", "memory": "1024Mi"}}
    )
    figures = DayFigures(rows=100_000_000, loaded_rows=10_000_000, shards=32, tasks=32, seconds=1000.0)
    cost = estimate_day(figures, cloud)
    # chain 1000 s; exporter 500 s on 2 vCPU; 32 tasks of 60 s on half a one; loader 8 + 80 s
    assert cost.vcpu_seconds == 1000 + 1000 + 32 * 30 + 88
    assert cost.gib_seconds == 500 + 4 * 500 + 32 * 60 + 44


@pytest.mark.parametrize(
    ("dollars", "told"), [("0.0084", "0.008"), ("0.0996", "0.100"), ("1.239", "1.24"), ("1234", "1,234.00")]
)
def test_dollars_are_told_to_the_cent_or_finer(dollars: str, told: str) -> None:
    assert format_dollars(Decimal(dollars)) == told


def test_the_prices_of_the_docs_are_those_of_the_code_and_have_a_date() -> None:
    document = tomllib.loads((ROOT / "docs" / "prices.toml").read_text())
    assert document["date"] == read_prices().day >= date(2026, 11, 29)
    assert Decimal(document["run"]["vcpu_second"]) == read_prices().vcpu_second
