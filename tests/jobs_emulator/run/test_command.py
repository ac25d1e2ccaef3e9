"""Docker's rules for command and args, and the order of the environment's layers."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud import run_v2

from jobs_emulator.errors import ApiError, Code
from jobs_emulator.images import ImageTable, image_table
from jobs_emulator.names import ExecutionName
from jobs_emulator.run.command import apply_overrides, resolve_command, task_variables

IMAGES = image_table(
    {"img": {"entrypoint": ["entry", "-e"], "cmd": ["c1", "c2"], "env": {"A": "image", "B": "image"}}, "bare": {}},
    secrets={"db": "value:pass"},
    pass_env=["EXTRA"],
)


def template(**container: Any) -> Any:
    made = run_v2.TaskTemplate(containers=[{"image": "img", **container}])
    return run_v2.TaskTemplate.pb(made)


def overrides(*container_overrides: Any, **others: Any) -> Any:
    made = run_v2.RunJobRequest.Overrides(container_overrides=list(container_overrides), **others)
    return run_v2.RunJobRequest.Overrides.pb(made)


def argv(images: ImageTable = IMAGES, **container: Any) -> tuple[str, ...]:
    return resolve_command(template(**container), images, {}).argv


def test_without_command_and_args_the_image_says_both() -> None:
    assert argv() == ("entry", "-e", "c1", "c2")


def test_args_replace_cmd_alone() -> None:
    assert argv(args=["x"]) == ("entry", "-e", "x")


def test_command_replaces_entrypoint_and_cmd() -> None:
    assert argv(command=["run"]) == ("run",)
    assert argv(command=["run"], args=["x"]) == ("run", "x")


def test_an_override_of_args_replaces_them_and_one_of_env_is_merged() -> None:
    task = template(args=["x"], env=[{"name": "A", "value": "job"}, {"name": "C", "value": "job"}])
    apply_overrides(
        task, overrides({"args": ["y", "z"], "env": [{"name": "C", "value": "run"}, {"name": "D", "value": "run"}]})
    )
    command = resolve_command(task, IMAGES, {})
    assert command.argv == ("entry", "-e", "y", "z")
    assert dict(command.env) == {"A": "job", "B": "image", "C": "run", "D": "run"}


def test_cleared_args_leave_what_the_image_says() -> None:
    task = template(args=["x"])
    apply_overrides(task, overrides({"clear_args": True}))
    assert resolve_command(task, IMAGES, {}).argv == ("entry", "-e", "c1", "c2")


def test_an_override_with_a_name_nobody_has_applies_to_the_one_container_there_is() -> None:
    task = template(name="main")
    apply_overrides(task, overrides({"name": "other", "args": ["y"]}))
    assert list(task.containers[0].args) == ["y"]


def test_with_several_containers_an_override_applies_to_the_one_it_names() -> None:
    task = run_v2.TaskTemplate.pb(
        run_v2.TaskTemplate(containers=[{"name": "a", "image": "img"}, {"name": "b", "image": "img"}])
    )
    apply_overrides(task, overrides({"name": "b", "args": ["y"]}))
    assert [list(container.args) for container in task.containers] == [[], ["y"]]


def test_the_environment_begins_with_what_is_allowed_and_nothing_else_of_the_emulators() -> None:
    inherited = {"PATH": "/bin", "HOME": "/h", "SECRET_KEY": "no", "EXTRA": "yes", "CLOUD_RUN_TASK_INDEX": "9"}
    command = resolve_command(template(), IMAGES, inherited)
    assert dict(command.env) == {"PATH": "/bin", "HOME": "/h", "EXTRA": "yes", "A": "image", "B": "image"}


def test_a_secret_comes_from_the_table_by_its_short_name() -> None:
    reference = {"secret_key_ref": {"secret": "projects/p/secrets/db", "version": "latest"}}
    task = template(env=[{"name": "PASSWORD", "value_source": reference}])
    assert resolve_command(task, IMAGES, {}).env["PASSWORD"] == "pass"


def test_a_secret_that_is_not_there_is_told_by_name() -> None:
    task = template(env=[{"name": "P", "value_source": {"secret_key_ref": {"secret": "nix"}}}])
    with pytest.raises(ApiError, match="Secret 'nix' of variable P") as caught:
        resolve_command(task, IMAGES, {})
    assert caught.value.code is Code.FAILED_PRECONDITION


def test_an_unknown_image_is_told_with_those_that_are_there() -> None:
    with pytest.raises(ApiError, match=r"Image 'nix:1' not found. The image table has: bare, img"):
        argv(image="nix:1")


def test_nothing_to_run_is_told() -> None:
    with pytest.raises(ApiError, match="no entrypoint"):
        argv(image="bare")


def test_sidecars_are_not_there() -> None:
    task = run_v2.TaskTemplate.pb(run_v2.TaskTemplate(containers=[{"image": "img"}, {"image": "img"}]))
    with pytest.raises(ApiError) as caught:
        resolve_command(task, IMAGES, {})
    assert caught.value.code is Code.UNIMPLEMENTED
    assert caught.value.message.startswith("template.template.containers: ")
    assert "this job has 2" in caught.value.message


def test_cloud_runs_own_variables_count_from_0() -> None:
    assert task_variables(ExecutionName("p", "l", "report", "report-x7k2p"), 4, 8, 1) == {
        "CLOUD_RUN_JOB": "report",
        "CLOUD_RUN_EXECUTION": "report-x7k2p",
        "CLOUD_RUN_TASK_INDEX": "4",
        "CLOUD_RUN_TASK_COUNT": "8",
        "CLOUD_RUN_TASK_ATTEMPT": "1",
    }
