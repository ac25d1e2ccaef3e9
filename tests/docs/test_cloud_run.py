"""The guide to Cloud Run holds what it says: its image table is one, its example pipeline asks for what it shows."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from chain.jobs.cloud_settings import check_filled, plan_secrets, plan_settings
from chain.jobs.cloudrun.definition import define, plan_job
from chain.jobs.cloudrun.retry import PATIENCE_SECONDS
from chain.jobs.port import JobName, Overrides
from chain.jobs.wait import UNSEEN_SECONDS
from jobs_emulator.images import parse_image_table
from staging.config.file import load_pipeline

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "cloud_run.md").read_text(encoding="utf-8")
JOBS: tuple[JobName, ...] = ("exporter", "processor", "loader")


def test_the_image_table_of_the_guide_is_one(tmp_path: Path) -> None:
    text = GUIDE.partition("```toml\n")[2].partition("```")[0].replace("env:SHOP_URL", "value:x")
    table = parse_image_table(tomllib.loads(text), folder=tmp_path, origin="the guide")
    assert set(table.images) == {f"penstock-{job}" for job in JOBS}


def test_the_example_pipeline_deploys_every_job_with_its_own_secrets() -> None:
    pipeline = load_pipeline(ROOT / "pipelines" / "cloud_run.toml", environ={})
    plan_settings(pipeline, storage_is_local=False)
    secrets = {job: plan_secrets(pipeline, job) for job in JOBS}
    assert {job: set(found) for job, found in secrets.items()} == {
        "exporter": {"SHOP_URL"},
        "processor": set(),
        "loader": {"WAREHOUSE_URL"},
    }
    for job in JOBS:
        check_filled(pipeline, job)
        image = getattr(pipeline.cloud.images, job)
        definition = define(plan_job(pipeline, job, image, Overrides(()), secrets[job]), None)
        assert definition.template.template.containers[0].image == image
        assert ("vpc_access" in definition.template.template) == (job != "processor")


def test_its_figures_are_those_of_the_code() -> None:
    assert f"for {PATIENCE_SECONDS:.0f} seconds" in GUIDE
    assert f"up to {UNSEEN_SECONDS / 60:.0f} minutes" in GUIDE
    assert re.search(r"\]\(reference\.md\)", GUIDE)
