"""When and how Cloud Scheduler starts the night.

A time of day that a change of clocks skips or repeats would start no night, or two; one within the grace would mean the
day before. Both are refused. For an hourly pipeline only the minute of each hour counts, unless its days are kept. The
call is jobs.run of the Cloud Run Admin API v2 with an empty RunJobRequest:
https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs/run
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from chain.deploy.jobs import job_id_of
from staging.config.pipeline import Pipeline
from staging.errors import InputError
from staging.window import Calendar, load_zone, plan_window, windows_of

_FIRST, _DAYS = date(2026, 1, 1), 3_653  # ten years: fixed, so that the same file gives the same deployment
BODY = "{}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression of an IANA zone, and the POST it makes."""

    cron: str
    zone: str
    url: str
    body: str


def plan_schedule(pipeline: Pipeline) -> Schedule:
    """Return the schedule: each night, or each hour.

    InputError for a time of day at which not every day has exactly one night.
    """
    at = time.fromisoformat(pipeline.cloud.schedule.at)
    is_hourly = pipeline.source.window == "hour" and pipeline.cloud.schedule.keep_days is None
    if is_hourly:
        cron, zone = f"{_minute_of_utc(pipeline, at)} * * * *", "Etc/UTC"
    else:
        _check(pipeline, at)
        cron, zone = f"{at.minute} {at.hour} * * *", pipeline.source.timezone
    cloud = pipeline.cloud
    host = (cloud.endpoint or "run.googleapis.com").removesuffix(":443")
    job = f"projects/{cloud.project}/locations/{cloud.region}/jobs/{job_id_of(pipeline, 'chain')}"
    return Schedule(cron, zone, f"https://{host}/v2/{job}:run", BODY)


def _minute_of_utc(pipeline: Pipeline, at: time) -> int:
    """Return the minute of UTC: clocks that change by whole hours show `at`'s minute then, each hour of the year."""
    zone = load_zone(pipeline.source.timezone)
    for day in _days_to_look_at(zone):
        for hour in windows_of(day, "hour", zone):
            if plan_window(hour, zone, "hour").hours() != 1:
                raise InputError(
                    f"{hour} is no whole hour, so one run each hour would leave one out.",
                    why=f"Clocks change by less than an hour in {zone.key}.",
                    fix="Set cloud.schedule.keep_days, which makes every hour of the last days each night.",
                )
    return datetime.combine(_FIRST, at, tzinfo=zone).astimezone(UTC).minute


def _check(pipeline: Pipeline, at: time) -> None:
    zone = load_zone(pipeline.source.timezone)
    for day in _days_to_look_at(zone):
        instants = {datetime.combine(day, at, tzinfo=zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1)}
        fires = [each for each in instants if each.astimezone(zone).replace(tzinfo=None) == datetime.combine(day, at)]
        if len(fires) != 1:
            raise InputError(
                f"cloud.schedule.at is {at:%H:%M}, which {day} has {'twice' if fires else 'not at all'}.",
                why=f"Clocks change then in {zone.key}.",
                fix="Choose another time, for example 04:00.",
            )
        meant = Calendar(zone, fires[0], pipeline.export.grace_seconds).read_day("yesterday")
        if meant != day - timedelta(days=1):
            raise InputError(
                f"cloud.schedule.at is {at:%H:%M}, when the day before is not over yet.",
                why=f"A day is over export.grace_seconds ({pipeline.export.grace_seconds}) after midnight.",
                fix="Begin the night later.",
            )


def _days_to_look_at(zone: ZoneInfo) -> Iterator[date]:
    """Yield an ordinary day, and each day with a change of clocks in it or beside it."""
    yield _FIRST
    day, before = _FIRST, datetime.combine(_FIRST, time(), tzinfo=zone).utcoffset()
    for number in range(1, _DAYS):
        following = _FIRST + timedelta(days=number)
        offset = datetime.combine(following, time(), tzinfo=zone).utcoffset()
        if offset != before:
            yield day
            yield following
        day, before = following, offset
