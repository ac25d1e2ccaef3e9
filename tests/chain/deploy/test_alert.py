"""A week replayed against the alert policy: it fires when a day was not brought to done, and at no other time."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chain.deploy.deployment import plan_deployment
from chain.deploy.write import to_files
from staging.config.file import load_pipeline
from tests.chain.deploy.alerts import STEP, Point, ended, fires
from tests.chain.deploy.spoken import resources_of

EXAMPLE = Path(__file__).parents[3] / "pipelines" / "cloud_run.toml"
BERLIN = ZoneInfo("Europe/Berlin")


def policy() -> dict[str, Any]:
    pipeline = load_pipeline(EXAMPLE, environ={})
    files = to_files(plan_deployment(pipeline), "terraform")
    return resources_of(files["penstock.tf.json"])["google_monitoring_alert_policy"]["no_success"]


def week(first: date, lengths: random.Random, *, failed: int | None = None, dead_from: int = 99) -> list[Point]:
    """Nights at 04:00 that take a minute to two hours; one of them may fail, and from one on nothing starts."""
    points = []
    for number in range(-2, 8):
        day = first + timedelta(days=number)
        began = datetime(day.year, day.month, day.day, 4, tzinfo=BERLIN).astimezone(UTC)
        if number < dead_from:
            at = began + timedelta(minutes=lengths.randint(1, 120))
            points.append(ended(at, "failed" if number == failed else "succeeded"))
            points.append(ended(at, "succeeded", job="daily-revenue-cloud-loader"))
    return points


WEEKS = [date(2026, 3, 25), date(2026, 6, 10), date(2026, 10, 21)]  # with a change of clocks either way, and without


@pytest.mark.parametrize("reports_zero", [True, False])
@pytest.mark.parametrize("first", WEEKS)
def test_a_week_in_which_all_is_fine_is_silent(first: date, *, reports_zero: bool) -> None:
    for seed in range(5):
        assert not fires(policy(), week(first, random.Random(seed)), *_span(first), reports_zero=reports_zero)


@pytest.mark.parametrize("reports_zero", [True, False])
@pytest.mark.parametrize("first", WEEKS)
def test_a_night_that_fails_is_told_by_the_forenoon_and_the_next_success_ends_it(
    first: date, *, reports_zero: bool
) -> None:
    for seed in range(3):
        fired = fires(policy(), week(first, random.Random(seed), failed=3), *_span(first), reports_zero=reports_zero)
        local = [each.astimezone(BERLIN) for each in fired]
        assert {each.date() for each in local} <= {first + timedelta(days=3), first + timedelta(days=4)}
        assert local[0].date() == first + timedelta(days=3)
        assert 7 <= local[0].hour <= 11
        assert local[-1].hour <= 6


@pytest.mark.parametrize("reports_zero", [True, False])
@pytest.mark.parametrize("first", WEEKS)
def test_that_nothing_runs_at_all_is_told_until_something_does(first: date, *, reports_zero: bool) -> None:
    begin, end = _span(first)
    fired = fires(policy(), week(first, random.Random(1), dead_from=3), begin, end, reports_zero=reports_zero)
    assert fired[0].astimezone(BERLIN).date() == first + timedelta(days=3)
    assert fired[-1] == end - STEP
    assert len(fired) == (fired[-1] - fired[0]) / STEP + 1


def _span(first: date) -> tuple[datetime, datetime]:
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return begin, begin + timedelta(days=7)
