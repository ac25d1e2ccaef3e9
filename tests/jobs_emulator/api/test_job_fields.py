"""Defaults that are written back, and jobs that are refused."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud import run_v2

from jobs_emulator.api.job_fields import check_job, check_overrides, write_defaults

CONTAINER = "job.template.template.containers[0]"
LABELLED = {"a.cloud.googleapis.com/x": "y"}


def job(task: dict[str, Any] | None = None, container: dict[str, Any] | None = None, **execution: Any) -> Any:
    template = {"containers": [{"image": "img", **(container or {})}], **(task or {})}
    return run_v2.Job.pb(run_v2.Job(template={**execution, "template": template}))


def fields(message: Any) -> list[str]:
    return [violation.field for violation in check_job(message)]


def test_what_is_left_out_is_written_back() -> None:
    message = job()
    write_defaults(message)
    task = message.template.template
    assert message.launch_stage == 4  # GA
    assert (message.template.task_count, message.template.parallelism) == (1, 0)
    assert (task.max_retries, task.timeout.seconds, task.execution_environment) == (3, 600, 2)
    assert dict(task.containers[0].resources.limits) == {"cpu": "1000m", "memory": "512Mi"}


def test_zero_means_default_but_for_retries_that_were_said() -> None:
    message = job(task={"max_retries": 0, "timeout": {"seconds": 0}}, task_count=0)
    write_defaults(message)
    assert message.template.task_count == 1
    assert message.template.template.max_retries == 0
    assert message.template.template.timeout.seconds == 600


def test_what_was_said_stays() -> None:
    limits = {"cpu": "2", "memory": "4Gi"}
    message = job(
        task={"max_retries": 1, "timeout": {"seconds": 5}}, container={"resources": {"limits": limits}}, task_count=7
    )
    write_defaults(message)
    assert message.template.task_count == 7
    assert dict(message.template.template.containers[0].resources.limits) == limits


@pytest.mark.parametrize("task_count", [0, 1, 10_000])
def test_task_counts_that_may_be(task_count: int) -> None:
    assert fields(job(task_count=task_count)) == []


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (job(task_count=10_001), "job.template.task_count"),
        (job(task_count=-1), "job.template.task_count"),
        (job(parallelism=-1), "job.template.parallelism"),
        (job(task={"max_retries": 11}), "job.template.template.max_retries"),
        (job(task={"max_retries": -1}), "job.template.template.max_retries"),
        (job(task={"timeout": {"seconds": 168 * 3600 + 1}}), "job.template.template.timeout"),
        (job(task={"timeout": {"seconds": -5}}), "job.template.template.timeout"),
        (job(container={"image": ""}), CONTAINER + ".image"),
        (job(container={"env": [{"name": "", "value": "x"}]}), CONTAINER + ".env[0].name"),
        (job(container={"env": [{"name": "A=B"}]}), CONTAINER + ".env[0].name"),
        (job(container={"env": [{"name": "A", "value": "x" * 32_769}]}), CONTAINER + ".env[0].value"),
        (job(container={"resources": {"limits": {"memory": "much"}}}), CONTAINER + ".resources.limits[memory]"),
        (job(container={"resources": {"limits": {"memory": "33Gi"}}}), CONTAINER + ".resources.limits[memory]"),
        (job(container={"volume_mounts": [{"name": "v", "mount_path": "/v"}]}), CONTAINER + ".volume_mounts"),
        (run_v2.Job.pb(run_v2.Job()), "job.template.template.containers"),
        (job(labels={"run.googleapis.com/x": "y"}), "job.template.labels"),
        (job(annotations={"serving.knative.dev/x": "y"}), "job.template.annotations"),
        (run_v2.Job.pb(run_v2.Job(labels=LABELLED, template=run_v2.Job.wrap(job()).template)), "job.labels"),
    ],
)  # fmt: skip
def test_what_may_not_be_is_named_by_its_field(message: Any, field: str) -> None:
    assert fields(message) == [field]


def test_all_faults_are_told_at_once() -> None:
    assert len(fields(job(task={"max_retries": 99}, container={"image": ""}, task_count=-1))) == 3


def test_two_containers_of_one_name_are_refused() -> None:
    message = run_v2.Job.pb(
        run_v2.Job(template={"template": {"containers": [{"name": "a", "image": "i"}, {"name": "a", "image": "i"}]}})
    )
    assert len(fields(message)) == 2


def test_overrides_are_checked_like_a_job() -> None:
    wrong = run_v2.RunJobRequest.Overrides(
        task_count=10_001,
        timeout={"seconds": -1},
        container_overrides=[{"args": ["a"], "clear_args": True}, {"name": "nix", "env": [{"name": "="}]}],
    )
    found = [v.field for v in check_overrides(run_v2.RunJobRequest.Overrides.pb(wrong), ["a", "b"])]
    assert found == [
        "overrides.task_count",
        "overrides.timeout",
        "overrides.container_overrides[0].clear_args",
        "overrides.container_overrides[0].name",
        "overrides.container_overrides[1].name",
        "overrides.container_overrides[1].env[0].name",
    ]
