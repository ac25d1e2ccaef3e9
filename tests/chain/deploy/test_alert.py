"""A week replayed against the alert policy: it fires when a day was not brought to done, and at no other time."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chain.deploy.deployment import plan_deployment
from chain.deploy.write import to_files
from staging.config.file import load_pipeline
from tests.chain.deploy.spoken import resources_of

EXAMPLE = Path(__file__).parents[3] / "pipelines" / "cloud_run.toml"
BERLIN = ZoneInfo("Europe/Berlin")
STEP = timedelta(minutes=5)
ZERO_FOR = timedelta(hours=30)
"""For how long a counter that rests is reported as zero, where it is."""


@dataclass(frozen=True)
class Point:
    """One execution that ended, as Cloud Run counts it: labels of metric and resource."""

    at: datetime
    labels: dict[str, str]


def policy() -> dict[str, Any]:
    pipeline = load_pipeline(EXAMPLE, environ={})
    files = to_files(plan_deployment(pipeline), "terraform")
    return resources_of(files["penstock.tf.json"])["google_monitoring_alert_policy"]["no_success"]


def ended(at: datetime, result: str, job: str = "daily-revenue-cloud-chain") -> Point:
    labels = {
        "metric.type": "run.googleapis.com/job/completed_execution_count",
        "resource.type": "cloud_run_job",
        "resource.labels.job_name": job,
        "resource.labels.location": "europe-west1",
        "metric.labels.result": result,
    }
    return Point(at, labels)


def fires(points: list[Point], begin: datetime, end: datetime, *, reports_zero: bool) -> list[datetime]:
    """When the policy is in violation, asked every five minutes.

    A point of an aligned series is the sum of its period. Absence: no point for the duration, once there was one.
    Threshold: each point of the duration is beyond it, and one that is missing counts as such where the policy says so.
    """
    found = []
    for condition in policy()["conditions"]:
        kind = "condition_absent" if "condition_absent" in condition else "condition_threshold"
        found.append(_violations(condition[kind], kind, points, begin, end, reports_zero=reports_zero))
    return sorted(set().union(*found))


def _violations(
    condition: dict[str, Any], kind: str, points: list[Point], begin: datetime, end: datetime, *, reports_zero: bool
) -> set[datetime]:
    wanted = dict(re.findall(r'([\w.]+) = "([^"]+)"', condition["filter"]))
    assert condition["filter"] == " AND ".join(f'{key} = "{value}"' for key, value in wanted.items())
    times = sorted(each.at for each in points if wanted.items() <= each.labels.items())
    (aggregation,) = condition["aggregations"]
    period = timedelta(seconds=int(aggregation["alignment_period"][:-1]))
    duration = timedelta(seconds=int(condition["duration"][:-1]))
    assert (period <= timedelta(hours=25), duration <= timedelta(hours=23.5)) == (True, True)  # the service's limits
    since: datetime | None = None
    found = set()
    for number in range(int((end - begin) / STEP)):
        now = begin + number * STEP
        count = sum(now - period < at <= now for at in times)
        seen = any(at <= now for at in times)
        reported = count > 0 or (reports_zero and any(now - period - ZERO_FOR < at <= now for at in times))
        if kind == "condition_absent":
            bad = seen and not reported
        else:
            assert condition["comparison"] == "COMPARISON_LT"
            missing_is_bad = condition["evaluation_missing_data"] == "EVALUATION_MISSING_DATA_ACTIVE"
            bad = seen and (count < condition["threshold_value"] if reported else missing_is_bad)
        since = (since or now) if bad else None
        if since is not None and now - since >= duration:
            found.add(now)
    return found


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
        assert not fires(week(first, random.Random(seed)), *_span(first), reports_zero=reports_zero)


@pytest.mark.parametrize("reports_zero", [True, False])
@pytest.mark.parametrize("first", WEEKS)
def test_a_night_that_fails_is_told_by_the_forenoon_and_the_next_success_ends_it(
    first: date, *, reports_zero: bool
) -> None:
    for seed in range(3):
        fired = fires(week(first, random.Random(seed), failed=3), *_span(first), reports_zero=reports_zero)
        local = [each.astimezone(BERLIN) for each in fired]
        assert {each.date() for each in local} <= {first + timedelta(days=3), first + timedelta(days=4)}
        assert local[0].date() == first + timedelta(days=3)
        assert 7 <= local[0].hour <= 11
        assert local[-1].hour <= 6


@pytest.mark.parametrize("reports_zero", [True, False])
@pytest.mark.parametrize("first", WEEKS)
def test_that_nothing_runs_at_all_is_told_until_something_does(first: date, *, reports_zero: bool) -> None:
    begin, end = _span(first)
    fired = fires(week(first, random.Random(1), dead_from=3), begin, end, reports_zero=reports_zero)
    assert fired[0].astimezone(BERLIN).date() == first + timedelta(days=3)
    assert fired[-1] == end - STEP
    assert len(fired) == (fired[-1] - fired[0]) / STEP + 1


def _span(first: date) -> tuple[datetime, datetime]:
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return begin, begin + timedelta(days=7)
