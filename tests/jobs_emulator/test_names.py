"""Resource names: built, parsed and refused."""

from __future__ import annotations

import pytest

from jobs_emulator.errors import ApiError, Code
from jobs_emulator.names import (
    ExecutionName,
    JobName,
    check_job_id,
    check_token,
    not_found,
    parse_execution,
    parse_job,
    parse_location,
    parse_operation,
    parse_task,
)

EXECUTION = ExecutionName("acme", "europe-west1", "report", "report-x7k2p")


def test_every_name_is_parsed_back_from_its_text() -> None:
    assert parse_execution(str(EXECUTION), "name") == EXECUTION
    assert parse_job(str(EXECUTION.parent), "name") == JobName("acme", "europe-west1", "report")
    assert parse_location(str(EXECUTION.parent.parent), "parent") == EXECUTION.parent.parent
    assert parse_task(EXECUTION.task(12), "name") == (EXECUTION, "report-x7k2p-task12")


def test_a_task_id_gives_its_index_back_only_in_its_one_spelling() -> None:
    assert EXECUTION.parse_task_id("report-x7k2p-task12") == 12
    for wrong in (
        "report-x7k2p-task012",
        "report-x7k2p-task-1",
        "other-task1",
        "report-x7k2p-task",
        "report-x7k2p-task٣",
    ):
        assert EXECUTION.parse_task_id(wrong) is None


def test_a_project_of_a_domain_is_a_project() -> None:
    assert parse_location("projects/example.com:acme/locations/europe-west1", "parent").project == "example.com:acme"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "projects/p/locations/l",
        "projects//locations/l/jobs/j",
        "projects/p/locations/l/jobs/j/",
        "a/../b",
        "projects/p/locations/l/jobs/j k",
    ],
)
def test_a_name_of_another_form_is_refused_naming_field_and_form(name: str) -> None:
    with pytest.raises(ApiError, match=r"not of the form projects/{project}/locations/{location}/jobs/{job}") as caught:
        parse_job(name, "job.name")
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert [violation.field for violation in caught.value.violations] == ["job.name"]


def test_an_operation_lies_in_a_region() -> None:
    assert str(parse_operation("projects/p/locations/l/operations/1-2", "name")[0]) == "projects/p/locations/l"


@pytest.mark.parametrize("job_id", ["", "A", "1a", "a_b", "a-", "-a", "a" * 64, "ä", "a.b"])
def test_what_is_no_job_id_is_refused(job_id: str) -> None:
    with pytest.raises(ApiError, match="is not a job id"):
        check_job_id(job_id, "job_id")


def test_the_longest_job_id_is_taken() -> None:
    check_job_id("a" * 63, "job_id")


def test_job_id_and_token_stay_below_63_characters_together() -> None:
    check_token("a" * 40, "b" * 22, "job.start_execution_token")
    with pytest.raises(ApiError, match="below 63"):
        check_token("a" * 40, "b" * 23, "job.start_execution_token")


def test_not_found_is_worded_as_the_api_does() -> None:
    error = not_found("JOB", "report", EXECUTION.parent)
    assert error.message == "Resource 'report' of kind 'JOB' in region 'europe-west1' in project 'acme' does not exist."
