"""The night begins once a day, also where clocks change, on a day that is over."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from google.cloud import run_v2
from google.protobuf import json_format

from chain.deploy.deployment import plan_deployment
from chain.deploy.schedule import plan_schedule
from chain.deploy.write import to_files
from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from staging.errors import InputError
from staging.window import Calendar, plan_window
from tests.chain.deploy.spoken import Resources, resources_of

EXAMPLE = Path(__file__).parents[3] / "pipelines" / "cloud_run.toml"
# Zones and the days on which their clocks change in 2026 and 2027.
CHANGES = {
    "Europe/Berlin": ("2026-03-29", "2026-10-25", "2027-03-28"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04"),
    "America/Santiago": ("2026-04-05", "2026-09-06"),
    "Asia/Beirut": ("2026-03-29", "2026-10-25"),
    "Asia/Kathmandu": (),
}


def pipeline(*settings: str) -> Pipeline:
    return load_pipeline(EXAMPLE, environ={}, overrides=settings)


def fires(cron: str, zone: str, first: date, days: int) -> list[datetime]:
    """Each minute at which a clock on the wall shows what the expression says: a walk in UTC, minute by minute."""
    minute, hour, *rest = cron.split()
    assert rest == ["*", "*", "*"]
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC) - timedelta(days=1)
    instants = (begin + timedelta(minutes=number) for number in range((days + 2) * 24 * 60))
    local = ((each, each.astimezone(ZoneInfo(zone))) for each in instants)
    last = first + timedelta(days=days)
    return [
        each for each, at in local if (at.hour, at.minute) == (int(hour), int(minute)) and first <= at.date() < last
    ]


@pytest.mark.parametrize("zone", CHANGES)
def test_the_night_begins_once_on_each_day_around_a_change_of_clocks(zone: str) -> None:
    schedule = plan_schedule(pipeline(f"source.timezone={zone}"))
    assert schedule.zone == zone
    for day in (*CHANGES[zone], "2026-06-15"):
        first = date.fromisoformat(day) - timedelta(days=1)
        began = fires(schedule.cron, zone, first, 3)
        assert [each.astimezone(ZoneInfo(zone)).date() for each in began] == [
            first + timedelta(days=n) for n in range(3)
        ]
        meant = [Calendar(ZoneInfo(zone), each, 900).read_day("yesterday") for each in began]
        assert meant == [first + timedelta(days=n) for n in range(-1, 2)]


@pytest.mark.parametrize(
    ("zone", "at", "told"),
    [
        ("Europe/Berlin", "02:30", "not at all|twice"),
        ("America/New_York", "01:30", "twice"),
        ("America/Santiago", "00:30", "not at all"),
        ("Asia/Beirut", "00:59", "not at all"),
        ("Australia/Lord_Howe", "02:15", "not at all"),
        ("Europe/Berlin", "00:05", "not over yet"),
        ("UTC", "00:14", "not over yet"),
    ],
)
def test_a_time_that_some_night_has_twice_or_not_at_all_or_too_early_is_refused(zone: str, at: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        plan_schedule(pipeline(f"source.timezone={zone}", f"cloud.schedule.at={at}"))


def test_a_time_at_the_very_end_of_the_grace_is_taken() -> None:
    assert plan_schedule(pipeline("source.timezone=UTC", "cloud.schedule.at=00:15")).cron == "15 0 * * *"


def resources() -> Resources:
    return resources_of(to_files(plan_deployment(pipeline()), "terraform")["penstock.tf.json"])


def test_the_scheduler_s_body_is_a_request_to_run_the_chain_s_job() -> None:
    found = resources()
    target = found["google_cloud_scheduler_job"]["nightly"]["http_target"]
    request = json_format.Parse(base64.b64decode(target["body"]), run_v2.RunJobRequest.pb(run_v2.RunJobRequest()))
    assert not request.HasField("overrides")  # those would take more than the invoker's role
    chain = found["google_cloud_run_v2_job"]["chain"]["name"]
    place = f"projects/my-project/locations/europe-west1/jobs/{chain}"
    assert target["uri"] == f"https://run.googleapis.com/v2/{place}:run"
    assert target["http_method"] == "POST"
    invoker = next(
        each
        for each in found["google_cloud_run_v2_job_iam_member"].values()
        if each["role"] == "roles/run.invoker" and each["name"] == chain
    )
    assert invoker["member"] == f"serviceAccount:{target['oauth_token']['service_account_email']}"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
def test_each_hour_of_an_hourly_pipeline_has_one_run(zone: str) -> None:
    hourly = pipeline(f"source.timezone={zone}", "source.window=hour", "cloud.schedule.at=04:20")
    schedule = plan_schedule(hourly)
    minute, *rest = schedule.cron.split()
    assert (rest, schedule.zone) == (["*"] * 4, "Etc/UTC")
    meant = []
    for number in range(-24, 48):
        fired = datetime(2026, 10, 25, tzinfo=UTC) + timedelta(hours=number, minutes=int(minute))
        assert fired.astimezone(ZoneInfo(zone)).minute == 20
        meant.append(Calendar(ZoneInfo(zone), fired, hourly.export.grace_seconds).read_day("hour last"))
    windows = [plan_window(hour, ZoneInfo(zone), "hour") for hour in meant]
    assert all(before.end == after.start for before, after in pairwise(windows))


def test_an_hourly_pipeline_of_clocks_that_change_by_half_an_hour_keeps_days() -> None:
    settings = ("source.timezone=Australia/Lord_Howe", "source.window=hour")
    with pytest.raises(InputError, match="is no whole hour") as refused:
        plan_schedule(pipeline(*settings))
    assert "keep_days" in refused.value.fix
    assert plan_schedule(pipeline(*settings, "cloud.schedule.keep_days=3")).cron == "0 4 * * *"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ((), "brings the newest day of daily_revenue_cloud that is over to done"),
        (("source.window=hour",), "brings the newest hour of daily_revenue_cloud that is over to done"),
        (("cloud.schedule.keep_days=60",), "keeps the last 60 days of daily_revenue_cloud as the source has them"),
    ],
)
def test_the_folder_says_what_the_schedule_does(settings: tuple[str, ...], said: str) -> None:
    whole = pipeline(*settings)
    cron = plan_schedule(whole).cron
    for kind in ("terraform", "gcloud"):
        readme = to_files(plan_deployment(whole), kind)["README.md"]
        assert said in readme
        assert f"By `{cron}` " in readme
    job = resources_of(to_files(plan_deployment(whole), "terraform")["penstock.tf.json"])["google_cloud_scheduler_job"][
        "nightly"
    ]
    assert job["description"] == said[0].upper() + said[1:] + "."


def test_what_terraform_needs_to_enable_services_is_enabled_before_it() -> None:
    deployment = plan_deployment(pipeline())
    readme = to_files(deployment, "terraform")["README.md"]
    assert readme.index(" cloudresourcemanager.googleapis.com ") < readme.index("terraform apply")
    assert "cloudresourcemanager" not in to_files(deployment, "gcloud")["README.md"]
