"""The fixture that other projects get by installing the package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.cloud import run_v2

import jobs_emulator
from tests.jobs_emulator.harness import PARENT, SOON

pytestmark = pytest.mark.integration

PROJECT_OF_SOMEBODY_ELSE = """
import os
import pytest
import jobs_emulator
from google.cloud import run_v2

PARENT = "projects/p/locations/l"

@pytest.fixture
def cloud_run_images():
    return {"acme/report": {"entrypoint": ["/bin/sh", "-c"], "env": {"WHO": "report"}}}

@pytest.mark.parametrize("code", [0, 3])
def test_report(cloud_run_jobs, code):
    assert os.environ["RUN_EMULATOR_HOST"] == cloud_run_jobs.address
    container = {"image": "acme/report:v7", "args": [f"exit {code}"]}
    job = run_v2.Job(template={"template": {"containers": [container], "max_retries": 0}})
    with jobs_emulator.jobs_client(cloud_run_jobs.address) as jobs:
        jobs.create_job(parent=PARENT, job_id="report", job=job).result()
        operation = jobs.run_job(name=f"{PARENT}/jobs/report")
        assert (operation.exception(timeout=30) is None) is (code == 0)

def test_without_it_nothing_of_it_is_set():
    assert "RUN_EMULATOR_HOST" not in os.environ
"""


def test_another_project_uses_the_fixture_without_importing_anything_for_it(tmp_path: Path) -> None:
    (tmp_path / "test_report.py").write_text(PROJECT_OF_SOMEBODY_ELSE)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_loading_it_costs_no_import_of_the_cloud_client(tmp_path: Path) -> None:
    script = (
        "import sys, jobs_emulator.pytest_plugin; print([m for m in sys.modules if m.startswith(('google.', 'grpc'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_fixture_works_here_too(cloud_run_jobs: jobs_emulator.Emulator) -> None:
    with jobs_emulator.jobs_client(cloud_run_jobs.address) as jobs:
        assert list(jobs.list_jobs(parent=PARENT)) == []
        job = run_v2.Job(template={"template": {"containers": [{"image": "none"}]}})
        assert "none at all" in str(jobs.create_job(parent=PARENT, job_id="a", job=job).exception(timeout=SOON.timeout))


def test_an_emulator_is_stopped_once_and_again(cloud_run_jobs: jobs_emulator.Emulator) -> None:
    cloud_run_jobs.stop()
    cloud_run_jobs.stop()
