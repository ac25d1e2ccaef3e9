"""A deployed night runs with the rights of its file, and with any one of them missing it does not."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from chain.jobs.settings import URLS
from tests.chain.deploy.night import (
    create_tables,
    deployed_grants,
    make_shop,
    open_night,
    yesterday,
)
from tests.servers.fake_gcs import FakeGcsServer
from tests.staging.telemetry.otlp import http_receiver

pytestmark = pytest.mark.integration

TRACED = """\
[cloud.chain.variables]
PENSTOCK_OTEL = "1"
OTEL_EXPORTER_OTLP_ENDPOINT = "{address}"
OTEL_BSP_EXPORT_TIMEOUT = "60000"
"""


def test_the_scheduler_s_call_brings_yesterday_to_done_by_the_jobs_and_rights_of_the_file(
    gcs_server: FakeGcsServer, tmp_path: Path
) -> None:
    bucket = gcs_server.create_bucket()
    expected = make_shop(tmp_path)[yesterday()]
    create_tables(tmp_path, bucket)
    with (
        http_receiver() as collector,
        open_night(tmp_path, gcs_server.endpoint, bucket, more=TRACED.format(address=collector.address)) as night,
    ):
        ended = night.wait(night.fire())
        assert ended.get("succeededCount") == 1, night.log()
        assert night.revenue() == expected
        assert expected
        # The variables that the file gives to the chain reach all jobs, so the night is one trace.
        assert {span.service.removeprefix("penstock-") for span in collector.spans} == {"chain", *URLS}
        assert len({span.trace_id for span in collector.spans}) == 1
        # The same call again finds the day done.
        again = night.wait(night.fire())
        assert again.get("succeededCount") == 1, night.log()
        assert night.revenue() == expected


def test_a_night_that_keeps_days_makes_the_missed_one_too(gcs_server: FakeGcsServer, tmp_path: Path) -> None:
    bucket = gcs_server.create_bucket()
    expected = make_shop(tmp_path)
    days = [yesterday() - timedelta(days=1), yesterday()]
    create_tables(tmp_path, bucket)
    with open_night(tmp_path, gcs_server.endpoint, bucket, more="[cloud.schedule]\nkeep_days = 2\n") as night:
        ended = night.wait(night.fire())
        assert ended.get("succeededCount") == 1, night.log()
        assert [night.revenue(day) for day in days] == [expected[day] for day in days]


def test_tables_are_made_and_all_is_looked_at_from_within_the_cloud(gcs_server: FakeGcsServer, tmp_path: Path) -> None:
    bucket = gcs_server.create_bucket()
    make_shop(tmp_path)
    with open_night(tmp_path, gcs_server.endpoint, bucket) as night:
        made = night.penstock("init", "--in-cloud", storage=gcs_server.endpoint)
        assert made.returncode == 0, made.stderr
        assert made.stdout.count("CREATE TABLE") == 2
        assert night.revenue() == {}  # the table is there
        looked = night.penstock("doctor", "--in-cloud", "--json", storage=gcs_server.endpoint)
        checks = {check["name"]: check["level"] for check in json.loads(looked.stdout)["checks"]}
        assert looked.returncode == 0, looked.stdout
        assert {"transform", "staging rights", "job exporter"} <= set(checks)
        (tmp_path / "shop.db").rename(tmp_path / "gone.db")
        looked = night.penstock("doctor", "--in-cloud", storage=gcs_server.endpoint)
        assert looked.returncode in (10, 20), looked.stdout
        assert "can't run as it is" in looked.stderr
    assert [item for item in gcs_server.names(bucket) if "doctor/" in item] == []


NUMBERS = range(20)
QUICK = (0, 10, 17)
"""One of a job, one of a secret, one of a bucket: those that end soonest; all are for the long run."""


@pytest.mark.parametrize(
    "number", [pytest.param(each, marks=[] if each in QUICK else pytest.mark.nightly) for each in NUMBERS]
)
def test_with_any_one_grant_missing_the_night_fails(gcs_server: FakeGcsServer, tmp_path: Path, number: int) -> None:
    bucket = gcs_server.create_bucket()
    make_shop(tmp_path)
    create_tables(tmp_path, bucket)
    grants = deployed_grants(tmp_path, bucket)
    assert len(grants) == len(NUMBERS)
    with open_night(tmp_path, gcs_server.endpoint, bucket, without=grants[number]) as night:
        assert not night.is_done(), grants[number]
        if number in QUICK:
            assert night.revenue() == {}
