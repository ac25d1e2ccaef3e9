"""Where jobs run on Google Cloud, a summary says what the day came to; on this machine it says nothing of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime

from chain.cost.estimate import DayFigures, estimate_day
from chain.day.report import Report
from chain.views.summary import format_summary
from staging.config.cloud import CloudConfig

AT = datetime(2026, 11, 15, 3, tzinfo=UTC)
COST = estimate_day(DayFigures(rows=1000, loaded_rows=100, shards=4, tasks=4, seconds=45.0), CloudConfig())
REPORT = Report(
    run_id="r01",
    export_id="e01",
    pipeline="daily_revenue",
    day=date(2026, 11, 14),
    status="done",
    rows_exported=1000,
    rows_processed=100,
    rows_set_aside=0,
    rows_loaded=100,
    inserted=100,
    updated=0,
    deleted=0,
    totals={"exported": {}, "loaded": {}},
    conserved=(),
    shards=4,
    tasks=4,
    seconds=45.0,
    as_of=AT,
    complete=True,
    waited_seconds={},
    logs="",
)


def _plain(text: str, **_: object) -> str:
    return text


def test_a_summary_says_dollars_with_the_date_of_their_prices() -> None:
    told = format_summary(replace(REPORT, cost=COST), style=_plain)
    assert "  cost    about $0.008 on Google Cloud (list prices of 2026-11-29)" in told.splitlines()
    assert max(map(len, told.splitlines())) <= 80
    assert "$" not in format_summary(REPORT, style=_plain)


def test_the_json_of_a_run_has_the_dollars_as_text() -> None:
    told = json.loads(json.dumps(replace(REPORT, cost=COST).to_json()))
    assert told["cost"]["dollars"] == str(round(COST.dollars, 6))
    assert told["cost"]["of"].startswith("about $0.008")
    assert REPORT.to_json()["cost"] is None
