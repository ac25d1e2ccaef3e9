"""Calls that are answered in this process: as Google's clients give them, and errors by their code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.cloud import run_v2

import jobs_emulator
from chain.jobs.cloudrun.answers import RefusedCallError
from chain.jobs.cloudrun.errors import call_errors, code_of, is_transient, is_unknown, reason, translate
from chain.jobs.cloudrun.place import Place
from chain.jobs.cloudrun.services import DirectTasks
from jobs_emulator.errors import HTTP_STATUS, Code
from staging.errors import InputError, UnavailableError

JOB = "projects/p/locations/l/jobs/j"


def test_pages_are_asked_for_one_by_one_until_there_is_none() -> None:
    asked: list[str] = []

    def call(method: str, data: bytes, seconds: float) -> bytes:
        request = run_v2.ListTasksRequest.deserialize(data)
        asked.append(request.page_token)
        assert (method, request.parent, seconds) == ("Tasks.ListTasks", "e", 20.0)
        number = int(request.page_token or 0)
        tasks = [run_v2.Task(index=2 * number), run_v2.Task(index=2 * number + 1)]
        token = str(number + 1) if number < 2 else ""
        return bytes(run_v2.ListTasksResponse.serialize(run_v2.ListTasksResponse(tasks=tasks, next_page_token=token)))

    found = DirectTasks(call).list_tasks(request=run_v2.ListTasksRequest(parent="e"), timeout=20.0)
    assert [task.index for task in found] == [0, 1, 2, 3, 4, 5]
    assert asked == ["", "1", "2"]
    assert [task.index for task in next(iter(found.pages)).tasks] == [0, 1]
    assert asked == ["", "1", "2", ""]


@pytest.mark.parametrize(
    ("code", "passes", "unknown"),
    [
        (Code.UNAVAILABLE, True, True),
        (Code.DEADLINE_EXCEEDED, True, True),
        (Code.INTERNAL, True, True),
        (Code.RESOURCE_EXHAUSTED, True, False),
        (Code.NOT_FOUND, False, False),
        (Code.INVALID_ARGUMENT, False, False),
        (Code.ABORTED, False, False),
    ],
)
def test_an_answer_is_sorted_by_its_code_as_the_clients_own_errors_are(code: Code, passes: bool, unknown: bool) -> None:
    error = RefusedCallError(HTTP_STATUS[code], "No.")
    assert isinstance(error, call_errors())
    assert (is_transient(error), is_unknown(error), code_of(error)) == (passes, unknown, HTTP_STATUS[code])
    assert reason(error) == "The service answered: No."
    kind = UnavailableError if passes or code is Code.ABORTED else InputError
    assert type(translate(error, Place("p", "r", "this process"), "look")) is kind


def test_an_emulator_that_listens_nowhere_answers_this_process_alone(tmp_path: Path) -> None:
    request = run_v2.GetJobRequest.serialize(run_v2.GetJobRequest(name=JOB))
    with jobs_emulator.start({"true": ["/bin/true"]}, tmp_path, listening=False) as emulator:
        assert emulator.address == ""
        create: Any = run_v2.CreateJobRequest(parent=JOB.rpartition("/jobs/")[0], job_id="j", job=_job())
        emulator.call("Jobs.CreateJob", run_v2.CreateJobRequest.serialize(create), seconds=20)
        found = run_v2.Job.deserialize(emulator.call("Jobs.GetJob", request, seconds=20))
        assert found.name == JOB
        other = run_v2.GetJobRequest.serialize(run_v2.GetJobRequest(name=f"{JOB}2"))
        with pytest.raises(jobs_emulator.ApiError) as missing:
            emulator.call("Jobs.GetJob", other, seconds=20)
        assert missing.value.code is Code.NOT_FOUND
        with pytest.raises(jobs_emulator.ApiError) as malformed:
            emulator.call("Jobs.GetJob", b"\xff", seconds=20)
        assert malformed.value.code is Code.INVALID_ARGUMENT
    with pytest.raises(jobs_emulator.ApiError) as ended:
        emulator.call("Jobs.GetJob", request, seconds=20)
    assert ended.value.code is Code.UNAVAILABLE


def _job() -> run_v2.Job:
    container = run_v2.Container(image="true")
    return run_v2.Job(template=run_v2.ExecutionTemplate(template=run_v2.TaskTemplate(containers=[container])))
