"""Who may log in to Cloud SQL by a token, and who may read the files beside the tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chain.deploy.complete import complete
from chain.deploy.deployment import plan_deployment
from chain.deploy.grants import SQL_LOGIN, VIEWER, plan_grants
from chain.deploy.write import to_files
from staging.config.file import load_pipeline

EXAMPLE = Path(__file__).parents[3] / "pipelines" / "cloud_run.toml"


@pytest.mark.parametrize(
    ("logins", "jobs"),
    [
        ([], set()),
        (["source.login=iam"], {"exporter", "chain"}),
        (["target.login=iam"], {"loader", "chain"}),
        (["source.login=iam", "target.login=iam"], {"exporter", "loader", "chain"}),
    ],
)
@pytest.mark.parametrize(("instances", "project"), [("other:r:shop", "other"), ("", None)])
def test_a_login_by_token_is_granted_to_whom_it_concerns(
    logins: list[str], jobs: set[str], instances: str, project: str | None
) -> None:
    overrides = [*logins, f"cloud.cloudsql_instances={instances}"]
    pipeline = complete(load_pipeline(EXAMPLE, environ={}, overrides=overrides))
    granted = [each for each in plan_grants(pipeline) if each.role == SQL_LOGIN]
    assert {each.part for each in granted} == jobs
    assert {each.name for each in granted} <= {project or pipeline.cloud.project}
    members = json.loads(to_files(plan_deployment(pipeline), "terraform")["penstock.tf.json"])["resource"]
    spoken = [each for each in members.get("google_project_iam_member", {}).values() if each["role"] == SQL_LOGIN]
    assert len(spoken) == len(granted)


def test_exporter_and_chain_may_read_the_files_beside_the_tables() -> None:
    beside = {"source.with.visits.parquet": "gs://lake/visits/*.parquet", "source.with.visits.key": "user_id"}
    overrides = [f"{key}={value}" for key, value in (beside | {"source.with.visits.columns": "pages"}).items()]
    pipeline = complete(load_pipeline(EXAMPLE, environ={}, overrides=overrides))
    granted = [each for each in plan_grants(pipeline) if each.name == "lake"]
    assert {(each.kind, each.role, each.part) for each in granted} == {
        ("bucket", VIEWER, "exporter"),
        ("bucket", VIEWER, "chain"),
    }
