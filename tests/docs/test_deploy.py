"""The way from an empty project to a green night is one: its file deploys, its commands are there, its figures hold."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import click
import pytest
from sqlalchemy import NullPool, create_engine, text

from chain.cli import cli
from chain.cost.estimate import DayFigures, estimate_day, format_dollars
from chain.cost.prices import read_prices
from chain.deploy.complete import complete
from chain.deploy.deployment import plan_deployment
from chain.deploy.grants import plan_grants
from staging.config.cloud import CloudConfig
from staging.config.file import load_pipeline
from tests.chain.deploy.alerts import fires, points_of
from tests.chain.deploy.night import DEPLOYER, PLACE, Night, make_purchases, yesterday
from tests.docs.reader import Reader
from tests.docs.stand_in_cloud import StandInCloud
from tests.servers.fake_gcs import FakeGcsServer
from tests.shop.purchases import create_purchases

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")


def test_the_file_of_the_guide_deploys(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(GUIDE.split('```toml title="my_revenue.toml"\n')[1].split("```")[0])
    pipeline = load_pipeline(tmp_path / "p.toml", environ={})
    deployment = plan_deployment(pipeline)
    assert deployment.buckets == ("my-project-penstock",)
    assert len(deployment.accounts) == 5
    told = {(who, role) for who, _, roles in re.findall(r"^\| ([\w, ]+) \| (.+?) \| (`.+?`) \|", GUIDE, re.MULTILINE)
            for role in re.findall(r"`([\w.]+)`", roles)}  # fmt: skip
    granted = {(grant.part, grant.role.removeprefix("roles/")) for grant in plan_grants(complete(pipeline))}
    assert granted == {each for each in told if "," not in each[0]}


def test_each_command_and_option_of_the_guide_is_there() -> None:
    found = re.findall(r"penstock ([a-z-]+)((?: [^`\n]*)?)", GUIDE)
    assert {name for name, _ in found} >= {"deploy", "doctor", "init", "status", "backfill", "gc", "plan"}
    for name, rest in found:
        if name not in cli.commands:
            assert name == "jobs-emulator", name
            continue
        options = {opt for each in cli.commands[name].params if isinstance(each, click.Option) for opt in each.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, (name, rest)


def test_the_costs_of_the_guide_are_those_of_the_code() -> None:
    assert f"List prices of {read_prices().day}" in GUIDE
    rows = re.findall(
        r"^\| (\d+) M \| (\d+) \| (.+?) \| (.+?) \| (.+?) MB \| \$(.+?) \| \$(.+?) \|$", GUIDE, re.MULTILINE
    )
    assert len(rows) == 3
    for millions, shards, vcpu, operations, stored, day, million in rows:
        count = int(millions) * 1_000_000
        seconds = 60 + int(millions) * 8
        cost = estimate_day(DayFigures(count, count // 10, int(shards), int(shards), seconds), CloudConfig())
        assert (vcpu, operations) == (f"{cost.vcpu_seconds:,.0f}", f"{cost.class_a + cost.class_b:,}")
        assert stored == f"{cost.stored_bytes / 1e6:,.0f}"
        assert (day, million) == (format_dollars(cost.dollars), format_dollars(cost.dollars / int(millions)))


def check_alert(night: Night) -> None:
    """The deployed policy is silent until a day after the last good night, and fires then: the bad one is none."""
    policy = night.resources["google_monitoring_alert_policy"]["no_success"]
    points = points_of(night, "my-revenue-chain")
    good = [each.at for each in points if each.labels["metric.labels.result"] == "succeeded"]
    bad = [each.at for each in points if each.labels["metric.labels.result"] == "failed"]
    assert len(good) >= 2
    assert max(bad) > max(good)
    for reports_zero in (True, False):
        fired = fires(policy, points, min(good), max(good) + timedelta(hours=48), reports_zero=reports_zero)
        assert timedelta(hours=24) < fired[0] - max(good) < timedelta(hours=31)


@pytest.mark.integration
def test_the_guide_is_followed_from_an_empty_project_to_a_green_night_and_down_again(
    gcs_server: FakeGcsServer, postgres_database: str, tmp_path: Path
) -> None:
    rows, expected = make_purchases()
    engine = create_engine(postgres_database, poolclass=NullPool)
    create_purchases(postgres_database, rows, columns={"id": None, "purchased_at": "timestamp NOT NULL"})
    bucket = gcs_server.create_bucket()
    reader = Reader(tmp_path)
    (tmp_path / "docker").symlink_to(ROOT / "docker")
    reader.instead = {"my-project-penstock": bucket, "my-project": "acme", "'postgresql://…'": f"'{postgres_database}'"}
    reader.instead |= {"--last,60": "--last,1"}  # sixty nights at once are for a cloud
    whole, down, rest = GUIDE.partition("## Take it down")
    cloud = StandInCloud(reader, gcs_server.endpoint, {bucket})
    with cloud.opened:
        cloud.begin()
        reader.follow_text(whole)
        assert cloud.night is not None
        with engine.connect() as books:
            newest = text("SELECT user_id, revenue FROM revenue WHERE day = (SELECT max(day) FROM revenue)")
            found: dict[int, Decimal] = dict(books.execute(newest).all())
        assert found == expected[yesterday()]
        assert cloud.night.is_done(), cloud.night.log()  # the scheduler's own call
        with engine.begin() as books:
            books.execute(text("ALTER TABLE revenue RENAME TO revenue_of_somebody"))
        assert not cloud.night.is_done()
        check_alert(cloud.night)
        reader.follow_text(down + rest)
        assert cloud.secrets == {}
        assert cloud.night.call("GET", f"/v2/{PLACE}/jobs", None, DEPLOYER).get("jobs", []) == []
