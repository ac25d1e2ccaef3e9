"""Logs of attempts go where the starter of an embedded emulator wants them, and stay there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from google.cloud import run_v2

import jobs_emulator
from jobs_emulator.names import parse_execution
from jobs_emulator.run.attempt_log import log_path

pytestmark = pytest.mark.integration


def test_logs_of_an_embedded_emulator_stay_in_the_folder_it_was_given(tmp_path: Path) -> None:
    with jobs_emulator.start({"shell": ["/bin/sh", "-c"]}, logs=tmp_path / "logs") as emulator:
        options = {"api_endpoint": f"http://{emulator.address}"}
        from google.auth.credentials import AnonymousCredentials

        anonymous = AnonymousCredentials()
        with (
            run_v2.JobsClient(transport="rest", credentials=anonymous, client_options=options) as jobs,
            run_v2.ExecutionsClient(transport="rest", credentials=anonymous, client_options=options) as executions,
        ):
            container = run_v2.Container(image="shell", args=["echo to be kept"])
            template = run_v2.ExecutionTemplate(template=run_v2.TaskTemplate(containers=[container]))
            jobs.create_job(parent="projects/p/locations/l", job=run_v2.Job(template=template), job_id="j")
            name = jobs.run_job(name="projects/p/locations/l/jobs/j").metadata.name
            while not executions.get_execution(name=name).completion_time:
                time.sleep(0.02)
    assert log_path(tmp_path / "logs", parse_execution(name, "name"), 0, 0).read_text() == "to be kept\n"
