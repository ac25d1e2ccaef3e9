"""Chaos switches: what they take, and that a seed repeats them."""

from __future__ import annotations

from typing import Any

import pytest

from jobs_emulator.chaos import Chaos, ChaosError, ChaosSettings, TaskKill, describe_chaos, parse_chaos
from jobs_emulator.errors import ApiError, Code


def failures(chaos: Chaos, method: str, calls: int) -> list[int]:
    failed = []
    for call in range(calls):
        try:
            chaos.check_call(method)
        except ApiError:
            failed.append(call)
    return failed


def test_without_a_switch_nothing_happens() -> None:
    chaos = Chaos()
    assert failures(chaos, "Jobs.GetJob", 1000) == []
    assert not any(chaos.loses_reply("Jobs.RunJob") or chaos.starts_twice(i) or chaos.kills(i, 0) for i in range(1000))


def test_a_rate_fails_about_that_share_of_calls_and_the_same_ones_again_for_the_same_seed() -> None:
    settings = ChaosSettings(seed=7, unavailable_rate=0.2)
    first = failures(Chaos(settings), "Jobs.GetJob", 1000)
    assert 150 < len(first) < 250
    assert failures(Chaos(settings), "Jobs.GetJob", 1000) == first
    assert failures(Chaos(ChaosSettings(seed=8, unavailable_rate=0.2)), "Jobs.GetJob", 1000) != first


def test_the_faults_of_one_method_do_not_depend_on_calls_of_another() -> None:
    settings = ChaosSettings(seed=7, unavailable_rate=0.3)
    alone, mixed = Chaos(settings), Chaos(settings)
    expected = failures(alone, "Jobs.GetJob", 50)
    found = []
    for call in range(50):
        failures(mixed, "Tasks.ListTasks", 3)
        found += [call] if failures(mixed, "Jobs.GetJob", 1) else []
    assert found == expected


def test_the_first_calls_of_each_method_fail_with_the_code_that_was_chosen() -> None:
    chaos = Chaos(ChaosSettings(unavailable_first=2, unavailable_code="RESOURCE_EXHAUSTED"))
    assert failures(chaos, "Jobs.GetJob", 5) == [0, 1]
    with pytest.raises(ApiError) as caught:
        chaos.check_call("Jobs.RunJob")
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


def test_only_methods_that_match_fail() -> None:
    chaos = Chaos(ChaosSettings(unavailable_rate=1.0, unavailable_methods=("Jobs.*", "Tasks.GetTask")))
    assert failures(chaos, "Jobs.RunJob", 2) == [0, 1]
    assert failures(chaos, "Tasks.GetTask", 1) == [0]
    assert failures(chaos, "Tasks.ListTasks", 2) == []


def test_replies_of_run_job_alone_get_lost_and_as_many_as_said() -> None:
    chaos = Chaos(ChaosSettings(lost_run_replies=2))
    assert not chaos.loses_reply("Jobs.GetJob")
    assert [chaos.loses_reply("Jobs.RunJob") for _ in range(4)] == [True, True, False, False]


def test_a_kill_is_for_its_task_and_attempt() -> None:
    first, each = TaskKill(task=3, after_seconds=1.0), TaskKill(task=4, attempt=None)
    chaos = Chaos(ChaosSettings(kill_tasks=(first, each)))
    assert chaos.kills(3, 0) == [first]
    assert chaos.kills(3, 1) == []
    assert chaos.kills(4, 5) == [each]


def test_settings_are_the_same_after_json() -> None:
    settings = parse_chaos(
        {"seed": 3, "kill_tasks": [{"task": 1, "after_seconds": 0.5, "attempt": None, "signal": 15}]}
    )
    assert parse_chaos(describe_chaos(settings)) == settings


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"nix": 1}, "unknown switch 'nix'"),
        ({"unavailable_rate": 1.5}, "unavailable_rate: must be from 0 to 1"),
        ({"start_delay_seconds": -1}, "start_delay_seconds: must not be negative"),
        ({"start_delay_seconds": float("nan")}, "must not be negative"),
        ({"start_delay_seconds": "soon"}, "start_delay_seconds"),
        ({"never_start": 1}, "never_start: must be true or false"),
        ({"seed": True}, "seed: must be a number"),
        ({"unavailable_code": "NIX"}, "'NIX' is not one of"),
        ({"unavailable_methods": "Jobs.*"}, "unavailable_methods: must be a list"),
        ({"start_twice_tasks": ["a"]}, "start_twice_tasks: must be a list"),
        ({"kill_tasks": [{"after_seconds": 1}]}, "a kill needs `task`"),
        ({"kill_tasks": [3]}, "must be a list of tables"),
        ({"kill_tasks": [{"task": 1, "signal": 999}]}, "kill_tasks: 999"),
    ],
)
def test_a_wrong_switch_is_named(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ChaosError, match=r".*") as caught:
        parse_chaos(values)
    assert told in str(caught.value)
