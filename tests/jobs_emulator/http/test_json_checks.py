"""JSON bodies against the messages they are to become: every wrong field is named, every right one taken."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import json_format

from jobs_emulator.http.json_checks import check_json
from jobs_emulator.protos import CreateJobRequest, Job, WaitOperationRequest

TASK = "job.template.template"


def faults(value: Any, descriptor: Any = CreateJobRequest.DESCRIPTOR) -> list[tuple[str, str]]:
    return [(violation.field, violation.description) for violation in check_json(descriptor, value, "")]


@pytest.mark.parametrize(
    ("job", "field", "told"),
    [
        ({"template": {"taskCount": "x"}}, "job.template.task_count", "(TYPE_INT32), \"x\""),
        ({"template": {"taskCount": 1.5}}, "job.template.task_count", "(TYPE_INT32), 1.5"),
        ({"template": {"taskCount": True}}, "job.template.task_count", "(TYPE_INT32), true"),
        ({"template": {"taskCount": 2**31}}, "job.template.task_count", "TYPE_INT32"),
        ({"template": {"task_count": []}}, "job.template.task_count", "TYPE_INT32"),
        ({"template": []}, "job.template", "google.cloud.run.v2.ExecutionTemplate"),
        ({"template": {"template": {"timeout": 600}}}, TASK + ".timeout", "google.protobuf.Duration"),
        ({"template": {"template": {"timeout": "600"}}}, TASK + ".timeout", "google.protobuf.Duration"),
        ({"template": {"template": {"containers": {}}}}, TASK + ".containers", "is a list, cannot be an object"),
        ({"template": {"template": {"containers": [None]}}}, TASK + ".containers[0]", "null"),
        ({"template": {"template": {"containers": [{"args": [1]}]}}}, TASK + ".containers[0].args[0]", "TYPE_STRING"),
        ({"labels": []}, "job.labels", "is a map, cannot be a list"),
        ({"labels": {"a": 1}}, "job.labels[a]", "TYPE_STRING"),
        ({"launchStage": "SOON"}, "job.launch_stage", "google.api.LaunchStage"),
        ({"generation": "9223372036854775808"}, "job.generation", "TYPE_INT64"),
        ({"createTime": "yesterday"}, "job.create_time", "google.protobuf.Timestamp"),
        ({"satisfiesPzs": "true"}, "job.satisfies_pzs", "TYPE_BOOL"),
        ({"nix": 1}, "job", "Unknown name \"nix\" at 'job': Cannot find field."),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_by_its_path(job: Any, field: str, told: str) -> None:
    [(found, description)] = faults({"job": job})
    assert found == field
    assert told in description


def test_all_wrong_fields_are_named_at_once() -> None:
    found = faults({"job": {"labels": 1, "nix": 1, "template": {"taskCount": "x", "parallelism": "y"}}, "jobId": 7})
    assert [field for field, _ in found] == [
        "job.labels", "job", "job.template.task_count", "job.template.parallelism", "job_id",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "job",
    [
        {"template": {"taskCount": "7", "parallelism": 2.0, "template": {"timeout": "1.5s", "maxRetries": None}}},
        {"launchStage": 4, "generation": "12", "createTime": "2026-11-14T00:00:00.123456Z"},
        {"launch_stage": "BETA", "labels": {"a": "b"}, "conditions": [{"type": "Ready"}]},
    ],
)
def test_what_protobufs_own_parser_takes_is_taken(job: Any) -> None:
    assert faults({"job": job}) == []
    json_format.ParseDict({"job": job}, CreateJobRequest())


def test_a_body_nested_without_end_is_refused_not_followed() -> None:
    value: Any = {}
    for _ in range(200):
        value = {"template": value}
    assert faults(value, Job.DESCRIPTOR)


def test_a_duration_in_the_request_itself_is_text() -> None:
    assert faults({"name": "x", "timeout": "3s"}, WaitOperationRequest.DESCRIPTOR) == []
