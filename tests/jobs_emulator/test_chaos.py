"""Chaos switches, seen through the client."""

from __future__ import annotations

import http.client
import json
import signal
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2

from tests.jobs_emulator.harness import PARENT, SOON, Cloud, cloud, wait_until

pytestmark = pytest.mark.integration


def switch(region: Cloud, verb: str, values: Any = None) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection(region.address, timeout=30)) as connection:
        connection.request(verb, "/_emulator/chaos", None if values is None else json.dumps(values))
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def test_a_lost_reply_of_run_job_has_started_the_execution(tmp_path: Path) -> None:
    with cloud(chaos={"lost_run_replies": 2}) as region:
        region.create("job", f"echo x >> {tmp_path}/out")
        with pytest.raises(exceptions.ServiceUnavailable):
            region.run("job")
        options = ClientOptions(api_endpoint=f"http://{region.address}")
        with (
            run_v2.JobsClient(transport="rest", client_options=options, credentials=AnonymousCredentials()) as rest,
            pytest.raises(OSError, match=r"(?i)connection|remote"),
        ):
            rest.run_job(name=f"{PARENT}/jobs/job", retry=None)
        assert region.run("job").result(polling=SOON).succeeded_count == 1
        executions = list(region.executions.list_executions(parent=f"{PARENT}/jobs/job"))
        assert len(executions) == 3
        wait_until(lambda: (tmp_path / "out").read_text() == "x\n" * 3, "all three have run")


def test_each_method_is_unavailable_once_and_then_works() -> None:
    with cloud(chaos={"unavailable_first": 1}) as region:
        for _ in range(2):
            try:
                region.create("job")
            except exceptions.ServiceUnavailable:
                continue
        with pytest.raises(exceptions.ServiceUnavailable, match="chaos"):
            region.jobs.get_job(name=f"{PARENT}/jobs/job", retry=None)
        assert region.jobs.get_job(name=f"{PARENT}/jobs/job", retry=None).generation == 1


def test_switches_are_turned_while_it_runs_and_a_wrong_one_is_named() -> None:
    with cloud() as region:
        region.create("job")
        assert switch(region, "PATCH", {"unavailable_rate": 1, "unavailable_code": "RESOURCE_EXHAUSTED"})[0] == 200
        with pytest.raises(exceptions.ResourceExhausted):
            region.jobs.get_job(name=f"{PARENT}/jobs/job")
        status, answer = switch(region, "PATCH", {"nix": 1})
        assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")
        assert "unknown switch 'nix'" in answer["error"]["message"]
        assert switch(region, "GET")[1]["unavailable_rate"] == 1.0
        assert switch(region, "DELETE")[1]["unavailable_rate"] == 0.0
        assert region.jobs.get_job(name=f"{PARENT}/jobs/job").name == f"{PARENT}/jobs/job"


def test_a_task_is_killed_at_its_time_and_its_next_attempt_is_left_alone() -> None:
    kill = {"task": 1, "after_seconds": 0.2, "signal": int(signal.SIGKILL)}
    with cloud(chaos={"kill_tasks": [kill]}) as region:
        region.create("job", "sleep 0.5", task_count=3, max_retries=1)
        execution = region.run("job").result(polling=SOON)
        assert (execution.succeeded_count, execution.retried_count) == (3, 1)
        assert [task.retried for task in region.tasks_of(execution)] == [0, 1, 0]


def test_a_task_started_twice_runs_twice_and_counts_once(tmp_path: Path) -> None:
    with cloud(chaos={"start_twice_tasks": [0]}) as region:
        region.create("job", f"echo $CLOUD_RUN_TASK_ATTEMPT >> {tmp_path}/$CLOUD_RUN_TASK_INDEX", task_count=2)
        execution = region.run("job").result(polling=SOON)
        wait_until(lambda: (tmp_path / "0").read_text() == "0\n0\n", "the twin has run")
        assert (tmp_path / "1").read_text() == "0\n"
        assert (execution.succeeded_count, execution.retried_count) == (2, 0)


def test_the_twin_of_a_task_outlives_it(tmp_path: Path) -> None:
    script = f"if mkdir {tmp_path}/first; then exit 0; fi; sleep 0.7; touch {tmp_path}/late"
    with cloud(chaos={"start_twice_tasks": [0]}) as region:
        region.create("job", script)
        region.finish(region.run("job"))
        wait_until((tmp_path / "late").exists, "the twin has come to its end")


def test_an_execution_that_never_starts_is_pending_until_it_is_cancelled() -> None:
    with cloud(chaos={"never_start": True}) as region:
        region.create("job", task_count=3)
        operation = region.run("job")
        job = region.jobs.get_job(name=f"{PARENT}/jobs/job")
        assert job.latest_created_execution.completion_status.name == "EXECUTION_PENDING"
        assert not region.execution(operation).start_time
        region.executions.cancel_execution(name=operation.metadata.name).result(polling=SOON)
        assert operation.result(polling=SOON).cancelled_count == 3


def test_a_start_is_delayed_and_an_end_reported_late(tmp_path: Path) -> None:
    with cloud(chaos={"start_delay_seconds": 0.4, "report_late_seconds": 0.4}) as region:
        region.create("job", f"touch {tmp_path}/ran")
        operation = region.run("job")
        assert not region.execution(operation).start_time
        wait_until((tmp_path / "ran").exists, "it has run")
        assert region.execution(operation).succeeded_count == 0
        execution = operation.result(polling=SOON)
        assert (execution.start_time - execution.create_time).total_seconds() >= 0.4
        assert (execution.completion_time - execution.start_time).total_seconds() >= 0.4
