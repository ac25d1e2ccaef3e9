"""When the deployed alert policy is in violation, as Cloud Monitoring evaluates it, of executions that ended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.chain.deploy.night import DEPLOYER, PLACE, Night

STEP = timedelta(minutes=5)
ZERO_FOR = timedelta(hours=30)
"""For how long a counter that rests is reported as zero, where it is."""


@dataclass(frozen=True)
class Point:
    """One execution that ended, as Cloud Run counts it: labels of metric and resource."""

    at: datetime
    labels: dict[str, str]


def ended(at: datetime, result: str, job: str = "daily-revenue-cloud-chain") -> Point:
    labels = {
        "metric.type": "run.googleapis.com/job/completed_execution_count",
        "resource.type": "cloud_run_job",
        "resource.labels.job_name": job,
        "resource.labels.location": "europe-west1",
        "metric.labels.result": result,
    }
    return Point(at, labels)


def fires(
    policy: dict[str, Any], points: list[Point], begin: datetime, end: datetime, *, reports_zero: bool
) -> list[datetime]:
    """When the policy is in violation, asked every five minutes.

    A point of an aligned series is the sum of its period. Absence: no point for the duration, once there was one.
    Threshold: each point of the duration is beyond it, and one that is missing counts as such where the policy says so.
    """
    found = []
    for condition in policy["conditions"]:
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


def points_of(night: Night, job: str) -> list[Point]:
    """The executions of a job that have ended in the emulator."""
    listed = night.call("GET", f"/v2/{PLACE}/jobs/{job}/executions", None, DEPLOYER)["executions"]
    return [
        ended(
            datetime.fromisoformat(each["completionTime"]),
            "succeeded" if each.get("succeededCount") else "failed",
            job=job,
        )
        for each in listed
        if "completionTime" in each
    ]
