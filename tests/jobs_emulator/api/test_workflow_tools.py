"""Prefect's Cloud Run worker and Airflow's Cloud Run operators, unchanged, each in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients.build import build_python_client
from tests.jobs_emulator.harness import cloud
from tests.servers.missing import skip_or_fail
from tests.servers.programs import ServerMissingError

pytestmark = pytest.mark.integration

JOB = "projects/acme/locations/europe-west1/jobs/etl"


def drive(name: str, home: Path, *arguments: str) -> Any:
    """What the tool saw: the last line it printed."""
    try:
        command = build_python_client(name)
    except ServerMissingError as error:
        skip_or_fail(error)
    environment = {**os.environ, "HOME": str(home), "AIRFLOW_HOME": str(home), "PREFECT_HOME": str(home)}
    with cloud() as region:
        done = subprocess.run(
            [*command, region.address, "acme", "europe-west1", *arguments],
            env=environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.nightly
def test_prefects_worker_runs_a_flow_run_to_success_and_failure_and_removes_its_jobs(tmp_path: Path) -> None:
    seen = drive("prefect", tmp_path)
    assert (seen["success"]["status_code"], seen["failure"]["status_code"], seen["jobs_left"]) == (0, 1, 0)


@pytest.mark.nightly
def test_airflows_operators_create_update_execute_defer_list_and_delete(tmp_path: Path) -> None:
    seen = drive("airflow", tmp_path, "etl")
    told = "failed with exit code: 6 and message: The container exited with an error."
    assert told in seen.pop("failure")
    assert told in seen.pop("deferred_failure")
    assert seen == {"created": JOB, "updated": "2", "executed": 1, "deferred": JOB, "listed": [JOB], "left": 0}
