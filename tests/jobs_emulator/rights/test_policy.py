"""Who may do what, by bindings on resources."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from jobs_emulator import protos
from jobs_emulator.errors import ApiError, Code
from jobs_emulator.rights.check import Rights
from jobs_emulator.rights.policy import ROLES_FILE, PolicyError, parse_policy, role_permissions

PLACE = "projects/acme/locations/eu"
NIGHTLY, CHAIN = "serviceAccount:nightly@acme.iam", "serviceAccount:chain@acme.iam"
README = Path(__file__).parents[3] / "jobs_emulator" / "README.md"


def rights(*bindings: tuple[str, str, str]) -> Rights:
    document = {
        "bindings": [{"resource": where, "role": role, "members": [member]} for where, role, member in bindings],
        "tokens": {"n": NIGHTLY, "c": CHAIN},
    }
    return Rights(parse_policy(document))


def refused(asked: Rights, method: str, request: Any, token: str) -> bool:
    try:
        asked.check_call(method, request, f"Bearer {token}")
    except ApiError as error:
        return error.code is Code.PERMISSION_DENIED
    return False


def test_a_binding_holds_for_its_resource_and_all_below_and_for_nobody_else() -> None:
    asked = rights((f"{PLACE}/jobs/a", "roles/run.viewer", CHAIN))
    for method, request in (
        ("Jobs.GetJob", protos.GetJobRequest(name=f"{PLACE}/jobs/a")),
        ("Executions.GetExecution", protos.GetExecutionRequest(name=f"{PLACE}/jobs/a/executions/a-1")),
        ("Executions.ListExecutions", protos.ListExecutionsRequest(parent=f"{PLACE}/jobs/a")),
    ):
        assert not refused(asked, method, request, "c")
        assert refused(asked, method, request, "n")
        assert refused(asked, method, request, "wrong")
    assert refused(asked, "Jobs.GetJob", protos.GetJobRequest(name=f"{PLACE}/jobs/ab"), "c")
    assert refused(asked, "Jobs.RunJob", protos.RunJobRequest(name=f"{PLACE}/jobs/a"), "c")


def test_an_invoker_may_run_and_not_with_overrides_and_an_executor_may_both() -> None:
    plain = protos.RunJobRequest(name=f"{PLACE}/jobs/a")
    with_overrides = protos.RunJobRequest(name=f"{PLACE}/jobs/a")
    with_overrides.overrides.task_count = 2
    asked = rights(
        (f"{PLACE}/jobs/a", "roles/run.invoker", NIGHTLY),
        (f"{PLACE}/jobs/a", "roles/run.jobsExecutorWithOverrides", CHAIN),
    )
    assert not refused(asked, "Jobs.RunJob", plain, "n")
    assert refused(asked, "Jobs.RunJob", with_overrides, "n")
    assert not refused(asked, "Jobs.RunJob", with_overrides, "c")


def test_without_a_policy_everything_is_allowed() -> None:
    Rights(None).check_call("Jobs.DeleteJob", protos.DeleteJobRequest(name=f"{PLACE}/jobs/a"), "")


def test_a_policy_with_a_role_that_nobody_knows_is_refused() -> None:
    unknown = {"bindings": [{"resource": "x", "role": "roles/run.god", "members": []}]}
    documents: list[object] = [unknown, {"bindings": 3}, []]
    for wrong in documents:
        with pytest.raises(PolicyError):
            parse_policy(wrong)


def test_each_role_of_the_table_says_where_it_was_read() -> None:
    table = json.loads(ROLES_FILE.read_text())["roles"]
    assert all(each["source"].startswith("https://") and each["permissions"] for each in table.values())
    assert set(table) == set(role_permissions())


def test_the_policy_of_the_readme_is_one() -> None:
    blocks = re.findall(r"```json\n(.*?)```", README.read_text(), re.DOTALL)
    policies = [json.loads(block) for block in blocks if "bindings" in block]
    assert parse_policy(policies[0]).bindings
